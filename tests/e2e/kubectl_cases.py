"""What kubectl shows of the pods in kubectl/pods.yaml: a row per command that only looks."""

from tests.e2e.shells import Case

LOOKING = {
    "env": Case(
        "kubectl exec full -c main -- env | sort",
        (
            r"^ACCOUNT=reader$",
            r"^ADDRESS=10\.244\.\d+\.\d+$",
            r"^COLOR=blue$",
            r"^CPUS=2$",
            r"^FROM_color=blue$",
            r"^LABEL=full$",
            r"^LITERAL=foo$",
            r"^NODE=lateen$",
            r"^NOTE=a note$",
            r"^PASSWORD=hunter2$",
            r"^POD=full$",
            r"^SPACE=default$",
            r"^password=hunter2$",
        ),
        hides=("^ABSENT",),
    ),
    "volumes": Case(
        "kubectl exec full -c main -- sh -c 'cat /one/page.html /settings/color; echo; cat "
        "/keys/password; echo; cat /facts/cpus; echo; cat /facts/labels; echo; cat "
        "/mixed/deep/color; echo; cat /mixed/password; echo; stat -L -c %a /keys/password'",
        ("^<p>hi</p>$", "^blue$", "^hunter2$", "^2$", '^app="full"$', "^blue$", "^hunter2", "400"),
    ),
    "secrets cannot be written in a pod": Case(
        "kubectl exec full -c main -- sh -c 'echo x > /keys/password'", ("Read-only|denied",), 2
    ),
    "init containers, in order": Case(
        "kubectl exec full -c main -- cat /shared/order; kubectl logs full -c first; "
        "kubectl logs full -c second",
        ("^one$", "^two$", "^first done$", "^second done$"),
    ),
    "one network for a pod": Case(
        "kubectl exec full -c main -- curl -s localhost", ("Welcome to nginx",)
    ),
    "one host name for a pod": Case(
        "kubectl exec full -c web -- sh -c 'hostname; cat /etc/hostname'", ("^full$", "^full$")
    ),
    "arguments": Case("kubectl logs full", ("^arguments foo-bar$",)),
    "logs by tail": Case("kubectl logs full -c clock --tail=2 | wc -l", (r"^\s*2$",)),
    "logs by age": Case(
        "until kubectl logs full -c clock | grep 'tick 7$'; do sleep 0.1; done >/dev/null; "
        "kubectl logs full -c clock --since=1s --timestamps",
        (r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z tick \d+$",),
        hides=(r"tick 1$",),
    ),
    "logs of all containers": Case(
        "kubectl logs full --all-containers --prefix | sort",
        (
            r"^\[pod/full/clock\] tick 1$",
            r"^\[pod/full/first\] first done$",
            r"^\[pod/full/main\] arguments",
            r"^\[pod/full/web\] .*GET / HTTP",
        ),
    ),
    "logs by selector": Case("kubectl logs -l app=full -c main", ("^arguments foo-bar$",)),
    "logs of a deployment": Case("kubectl logs deploy/web", ("GET / HTTP/1.1",)),
    "logs before, while a restart is waited for": Case(
        "kubectl logs crash > a; kubectl logs crash -p > b; cmp a b && cat b",
        (r"^crashing \d+$",),
    ),
    "logs before what never ended": Case(
        "kubectl logs full -c main -p",
        ('previous terminated container "main" in pod "full" not found',),
        1,
    ),
    "logs of a job": Case("kubectl logs job/once", ("^done$",)),
    "logs of what never ran": Case(
        "kubectl logs unknown",
        (r'container "app" in pod "unknown" is waiting to start: (image can|trying and fail)',),
        1,
    ),
    "logs of no container": Case(
        "kubectl logs full -c none", ("container none is not valid for pod full",), 1
    ),
    "crash": Case("kubectl get pod crash", (r"^crash +0/1 +CrashLoopBackOff +\d+ \(\d+s ago\)",)),
    "crash, told": Case(
        "kubectl describe pod crash",
        (
            r"Reason: +CrashLoopBackOff",
            r"Last State: +Terminated",
            r"Exit Code: +3",
            r"Warning +BackOff .* Back-off restarting failed container app",
        ),
    ),
    "unknown image": Case(
        "kubectl get pod unknown", (r"^unknown +0/1 +(ImagePullBackOff|ErrImagePull) +0",)
    ),
    "unknown image, told": Case(
        "kubectl describe pod unknown",
        (
            # In any order: what is repeated comes last.
            r"(?s)\A(?=.* Reason: +(ImagePullBackOff|ErrImagePull))"
            r'(?=.* Normal +Pulling [^\n]* Pulling image "example\.com/nothing:1")'
            r"(?=.* Failed to pull image [^\n]*[:;] no stand-in is known for example\.com/nothing; "
            r"name the command [^\n]* lateen\.yaml)"
            r"(?=.* Warning +Failed [^\n]* Error: ErrImagePull)",
        ),
    ),
    "unknown image, told of waiting": Case(
        # Events come a moment after what they tell of, and in another order once they are repeated.
        "for i in $(seq 50); do kubectl describe pod unknown > told; "
        "grep -q 'Error: ImagePullBackOff' told && break; sleep 0.1; done; cat told",
        (
            r'Normal +BackOff .* Back-off pulling image "example\.com/nothing:1"',
            r"Warning +Failed .* Error: ImagePullBackOff",
        ),
    ),
    "host path": Case("kubectl get pod hostpath", ("^hostpath +0/1 +ContainerCreating",)),
    "host path, told": Case(
        "kubectl describe pod hostpath",
        (r"Warning +FailedMount .*hostPath volume \"etc\" is refused: .*`hostPaths` in lateen",),
    ),
    "native sidecar": Case(
        "kubectl get pod native; kubectl logs native -c app; kubectl logs native -c helper",
        (r"^native +0/2 +Completed +0", "^helper$", "^plain$", "^helper started$"),
    ),
    "probes under STRICT": Case("kubectl get pod probed", (r"^probed +3/3 +Running +0",)),
    "probes, as injected": Case(
        "kubectl get pod probed -o jsonpath={.spec.containers[0].readinessProbe.httpGet}",
        (r'"path":"/app-health/http/readyz"',),
    ),
    "unready": Case("kubectl get pod unready", (r"^unready +1/2 +Running +0",)),
    "unready, told": Case(
        "kubectl describe pod unready",
        (r"Warning +Unhealthy .* Readiness probe failed: HTTP probe failed with statuscode: 404",),
    ),
    "unwell": Case(
        "kubectl describe pod unwell",
        (r"Warning +Unhealthy .* Liveness probe failed: .*connection refused", "Normal +Killing"),
    ),
    "stateful names": Case(
        "kubectl exec db-0 -- sh -c 'hostname; curl -s -o /dev/null -w %{http_code} db-1.db'",
        ("^db-0$", "^200$"),
    ),
    "workloads": Case(
        "kubectl get sts,ds,jobs,cj",
        (
            r"^statefulset.apps/db +2/2 ",
            r"^daemonset.apps/each +1 +1 +1 +1 +1 ",
            r"^job.batch/fails +Failed +0/1",
            r"^job.batch/once +Complete +1/1",
            r"^cronjob.batch/nightly +0 3 \* \* \* +<none> +False +0 +<none>",
        ),
    ),
    "exit code": Case("kubectl exec full -c main -- sh -c 'exit 7'", ("exit code 7",), 7),
    "events": Case(
        "kubectl events --for pod/full", ("Normal +Scheduled", "Normal +Started +Pod/full")
    ),
    "top pods": Case("kubectl top pods", ("^error: Metrics API not available$",), 1),
    "top nodes": Case("kubectl top nodes", ("^error: Metrics API not available$",), 1),
    "the agent beside a proxy": Case(
        "kubectl exec probed -c istio-proxy -- pilot-agent request GET server_info; "
        "kubectl exec probed -c istio-proxy -- pilot-agent request POST 'logging?level=warning'; "
        "kubectl exec probed -c istio-proxy -- pilot-agent wait; "
        "kubectl exec probed -c istio-proxy -- pilot-agent request GET none",
        ('"state": "LIVE"', "active loggers:", "non-success status code 404"),
        1,
    ),
    "no agent elsewhere": Case(
        "kubectl exec full -c main -- pilot-agent version", ("pilot-agent: not found",), 127
    ),
    "node": Case("kubectl get node", (r"^lateen +Ready +control-plane +\d+[sm]",)),
    "whoami": Case("kubectl auth whoami", (r"^Username +kubernetes-admin$",)),
    "ready": Case("kubectl get --raw '/readyz?verbose'", ("^readyz check passed$",)),
    "version": Case("kubectl get --raw /version", (r'"gitVersion": ?"v1\.',)),
    "schema": Case("kubectl get --raw /openapi/v3", (r'"apis/networking\.istio\.io/v1"',)),
    "explain": Case(
        "kubectl explain vs.spec.http --recursive", ("KIND: +VirtualService", "^ +exact\t<string>")
    ),
    "short names": Case(
        "kubectl get vs,dr,gw,pa", (r"^peerauthentication.security.istio.io/strict +STRICT ",)
    ),
    "custom columns, sorted": Case(
        "kubectl get pods -l app=db -o custom-columns=A:.metadata.name --sort-by=.metadata.name",
        ("^A$", "^db-0$", "^db-1$"),
    ),
    "istio's validation": Case(
        "printf 'apiVersion: networking.istio.io/v1\\nkind: VirtualService\\nmetadata: {name: bad}"
        "\\nspec: {hosts: [a.b], http: [{timeout: 1s}]}\\n' | kubectl create -f -",
        (
            '^Error from server: error when creating "STDIN": admission webhook '
            '"validation.istio.io" denied the request: configuration is invalid: '
            "HTTP route, redirect or direct_response is required$",
        ),
        1,
    ),
    "versions agree": Case(
        "kubectl get node -o jsonpath={.items[0].status.nodeInfo.kubeletVersion}; echo; "
        "kubectl version -o json",
        (r"^v1\.36\.\d+\+lateen", r'"gitVersion": "v1\.36\.\d+\+lateen"'),
    ),
    "may I": Case("kubectl auth can-i create pods", ("^yes$",)),
    "may an account": Case(
        "kubectl auth can-i get secrets -n kube-system --as=system:serviceaccount:default:reader",
        ("^no",),
        1,
    ),
}
