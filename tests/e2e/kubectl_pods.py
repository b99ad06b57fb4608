"""What people do with kubectl to pods: debugging them, their volumes, hooks and last words."""

from tests.e2e.shells import Case

RUNNING = "kubectl wait --for=condition=Ready pod/%s --timeout=20s"
ENDED = (
    "kubectl wait --timeout=10s "
    "--for=jsonpath={.status.ephemeralContainerStatuses[%d].state.terminated.exitCode}=%d pod/%s"
)


def told(pod: str, waited: str, shows: str, hides: tuple[str, ...] = ()) -> Case:
    """Return the case that waits for an Event of a pod: the node tells of what it did after it."""
    line = f"until kubectl events --for pod/{pod} > told; grep '{waited}' told; do sleep 0.1; done"
    return Case(f"{line}; cat told", (shows,), hides=hides)


def applied(manifest: str) -> Case:
    """Return the case that applies a manifest."""
    return Case(f"kubectl apply -f - <<'END'\n{manifest}END")


SHARING = """\
apiVersion: v1
kind: Pod
metadata: {name: shared}
spec:
  shareProcessNamespace: true
  terminationGracePeriodSeconds: 1
  containers:
  - {name: web, image: nginx}
  - {name: look, image: busybox, command: [sleep, "3600"]}
"""
VOLUMES = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: blue, run.sh: "echo ran\\n"}
binaryData: {bin: AAEC/w==}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {user: bob}
---
apiVersion: v1
kind: Pod
metadata: {name: owned, annotations: {note: "two\\nlines"}}
spec:
  terminationGracePeriodSeconds: 1
  securityContext: {fsGroup: 2000, runAsUser: 1000, runAsGroup: 3000, supplementalGroups: [4000]}
  containers:
  - name: main
    image: busybox
    command: [sleep, "3600"]
    envFrom: [{configMapRef: {name: settings}, prefix: C_}]
    env:
    - {name: WHO, valueFrom: {secretKeyRef: {name: keys, key: user}}}
    volumeMounts:
    - {name: files, mountPath: /files}
    - {name: own, mountPath: /own}
    - {name: own, mountPath: /part, subPathExpr: of/$(WHO)}
    - {name: memory, mountPath: /memory}
  volumes:
  - {name: own, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - name: files
    projected:
      defaultMode: 0444
      sources:
      - serviceAccountToken: {path: token}
      - configMap:
          name: settings
          items: [{key: bin, path: bin}, {key: run.sh, path: run, mode: 0555}]
      - secret: {name: keys, items: [{key: user, path: user, mode: 0400}]}
      - downwardAPI: {items: [{path: facts/notes, fieldRef: {fieldPath: metadata.annotations}}]}
"""
LAST_WORDS = """\
apiVersion: v1
kind: Pod
metadata: {name: last}
spec:
  restartPolicy: Never
  securityContext: {runAsUser: 1000}
  containers:
  - {name: a, image: busybox, command: [sh, -c, "echo usual > /dev/termination-log; exit 2"]}
  - name: b
    image: busybox
    terminationMessagePath: /tmp/why
    command: [sh, -c, "echo elsewhere > /tmp/why"]
  - name: c
    image: busybox
    terminationMessagePolicy: FallbackToLogsOnError
    command: [sh, -c, "echo logged; exit 4"]
  - name: d
    image: busybox
    terminationMessagePolicy: FallbackToLogsOnError
    command: [echo, fine]
"""
HOOKS = """\
apiVersion: v1
kind: Pod
metadata: {name: hooked}
spec:
  terminationGracePeriodSeconds: 5
  volumes: [{name: told, emptyDir: {}}]
  containers:
  - name: main
    image: busybox
    command: [sh, -c, "trap 'echo signal >> /told/log; exit 0' TERM; while :; do sleep 0.05; done"]
    lifecycle:
      postStart: {exec: {command: [sh, -c, "echo started on $(hostname) >> /told/log"]}}
      preStop: {exec: {command: [sh, -c, "echo stopping >> /told/log; sleep 0.3"]}}
    volumeMounts: [{name: told, mountPath: /told}]
  - name: web
    image: nginx
    lifecycle: {postStart: {httpGet: {path: /none, port: 80}}}
  - name: reader
    image: busybox
    command: [sh, -c, "touch /told/log; exec tail -f /told/log"]
    lifecycle: {preStop: {sleep: {seconds: 1}}}
    volumeMounts: [{name: told, mountPath: /told}]
"""
NAMED = """\
apiVersion: v1
kind: Pod
metadata: {name: named}
spec:
  hostname: box
  subdomain: sub
  setHostnameAsFQDN: true
  hostPID: true
  hostAliases: [{ip: 10.9.9.9, hostnames: [alias]}]
  schedulingGates: [{name: example.com/wait}]
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox
    workingDir: /made/here
    command: [sleep, "3600"]
    securityContext: {readOnlyRootFilesystem: true}
"""
FAILING_HOOK = """\
apiVersion: v1
kind: Pod
metadata: {name: unhooked}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    command: [sleep, "3600"]
    lifecycle: {postStart: {exec: {command: [sh, -c, "echo secret; exit 9"]}}}
"""
RUN = f"kubectl run target --image=nginx && {RUNNING % 'target'}"

JOBS = """\
apiVersion: batch/v1
kind: Job
metadata: {name: many}
spec:
  parallelism: 2
  completions: 4
  completionMode: Indexed
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: a, image: busybox, command: [sh, -c, "echo index $JOB_COMPLETION_INDEX"]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: late}
spec:
  activeDeadlineSeconds: 1
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers: [{name: a, image: busybox, command: [sleep, "100"]}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: brief}
spec:
  ttlSecondsAfterFinished: 1
  template:
    spec:
      restartPolicy: Never
      containers: [{name: a, image: busybox, command: ["true"]}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: vain}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: a, image: busybox, command: ["false"]}]
"""
SETS = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: set}
spec:
  serviceName: set
  replicas: 3
  selector: {matchLabels: {app: set}}
  template:
    metadata: {labels: {app: set}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: web, image: "nginx:1"}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: each}
spec:
  selector: {matchLabels: {app: each}}
  template:
    metadata: {labels: {app: each}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: web, image: "nginx:1"}]
"""
STATUS = "kubectl rollout status sts/set --timeout=20s && kubectl rollout status ds/each"
IMAGES = "kubectl get pods -l app=set -o jsonpath='{.items[*].spec.containers[0].image}'"

PODS: dict[str, tuple[Case, ...]] = {
    "jobs end in every way": (
        applied(JOBS),
        Case(
            "kubectl wait --for=condition=Complete job/many --timeout=20s && "
            "kubectl wait --for=condition=Failed job/late job/vain --timeout=20s && "
            "kubectl wait --for=delete job/brief --timeout=10s"
        ),
        Case(
            "kubectl get jobs",
            ("^late +Failed +0/1 ", "^many +Complete +4/4 ", "^vain +Failed +0/1 "),
        ),
        Case(
            "kubectl logs -l job-name=many | sort",
            ("^index 0$", "^index 1$", "^index 2$", "^index 3$"),
        ),
        Case(
            "for job in late vain; do until kubectl describe job $job | grep 'Warning '; "
            "do sleep 0.1; done; done",
            ("Warning +DeadlineExceeded", "Warning +BackoffLimitExceeded"),
        ),
        Case("kubectl delete jobs --all"),
    ),
    "sets roll in order, stop at a partition, and go back": (
        applied(SETS),
        Case(STATUS, ("complete: 3 new pods", 'daemon set "each" successfully rolled out')),
        Case("kubectl set image sts/set web=nginx:2 && kubectl set image ds/each web=nginx:2"),
        Case(STATUS, ("complete: 3 new pods", 'daemon set "each" successfully rolled out')),
        Case("kubectl rollout history sts/set", ("^1 +<none>$", "^2 +<none>$")),
        Case("kubectl rollout history ds/each --revision=1", ("Image:\tnginx:1$",)),
        Case("kubectl rollout undo ds/each && kubectl rollout undo sts/set", ("rolled back$",)),
        Case(f"{STATUS} && {IMAGES}", ("^nginx:1 nginx:1 nginx:1$",)),
        Case(
            "kubectl patch sts set -p "
            '\'{"spec":{"updateStrategy":{"rollingUpdate":{"partition":2}}}}\' && '
            "kubectl set image sts/set web=nginx:3 && "
            "kubectl rollout status sts/set --timeout=20s",
            ("complete: 1 new pods have been updated",),
        ),
        Case(IMAGES, ("^nginx:1 nginx:1 nginx:3$",)),
        Case("kubectl delete sts,ds --all"),
    ),
    "a running pod is debugged": (
        Case(RUN),
        Case(
            "kubectl debug target --image=busybox --target=target -c one -- "
            "sh -c 'hostname; curl -s localhost | head -4; ps ax -o args | head -2; exit 3'"
        ),
        Case(ENDED % (0, 3, "target")),
        Case(
            "kubectl logs target -c one",
            ("^target$", "<title>Welcome to nginx", "^COMMAND$", "^nginx: master process"),
        ),
        Case(
            'script -qec "kubectl debug -it target --image=busybox -c two -- '
            "sh -c 'sleep 0.5; tty; ps ax -o args | wc -l'\" /dev/null",
            ("/dev/pts/", r"^4\s*$"),
        ),
        Case("kubectl debug target --image=busybox -c three -- sleep 3600"),
        Case(
            "kubectl wait --timeout=10s pod/target "
            "--for=jsonpath='{.status.ephemeralContainerStatuses[?(@.name==\"three\")].state.running}'",
        ),
        Case("kubectl exec target -c three -- hostname", ("^target$",)),
        Case("kubectl get pod target", (r"^target +1/1 +Running +0 ",)),
        Case(
            "kubectl describe pod target",
            ("^Ephemeral Containers:$", "^  one:$", "Exit Code: +3", "^  two:$", "^  three:$"),
        ),
        told("target", "Started container three", "Started container three"),
        Case(
            "kubectl debug target --image=busybox --target=none -- true",
            (r"targetContainerName: Not found: \"none\"$",),
            1,
        ),
        Case(
            "kubectl patch pod target --subresource=ephemeralcontainers --type=json "
            '-p \'[{"op":"remove","path":"/spec/ephemeralContainers/0"}]\'',
            ('existing ephemeral containers "one" may not be removed$',),
            1,
        ),
        Case("kubectl delete pod target", ('^pod "target" deleted',)),
    ),
    "a copy of a pod is debugged": (
        Case(RUN),
        Case(
            "kubectl debug target --image=busybox --copy-to=copy --share-processes -c look -- "
            "sleep 3600 && " + RUNNING % "copy"
        ),
        Case(
            "kubectl exec copy -c look -- ps ax -o args",
            ("^nginx: master process", "^sleep 3600$"),
        ),
        Case("kubectl delete pod target copy"),
    ),
    "containers that share their processes": (
        applied(SHARING),
        Case(RUNNING % "shared"),
        Case(
            "kubectl exec shared -c look -- ps ax -o pid,args",
            (r"^ +1 sh -c sleep infinity", "nginx: master process", "sleep 3600$"),
        ),
        Case("kubectl exec shared -c web -- pkill -x nginx"),
        Case(
            "kubectl wait --for=jsonpath={.status.containerStatuses[0].restartCount}=1 "
            "pod/shared --timeout=10s"
        ),
        Case(
            "kubectl get pod shared -o jsonpath={.status.containerStatuses[1].restartCount}",
            ("^0$",),
        ),
        Case("kubectl delete pod shared"),
    ),
    "last words": (
        applied(LAST_WORDS),
        Case(
            "kubectl wait --for=jsonpath={.status.phase}=Failed pod/last --timeout=10s && "
            "kubectl get pod last -o jsonpath='{range .status.containerStatuses[*]}{.name}="
            '{.state.terminated.exitCode}={.state.terminated.message}{"\\n"}{end}\'',
            ("^a=2=usual$", "^b=0=elsewhere$", "^c=4=logged$", "^d=0=$"),
        ),
    ),
    "names, gates, and what has no effect": (
        applied(NAMED),
        Case(
            'kubectl patch pod named --type=json -p \'[{"op":"remove","path":"/spec/'
            "schedulingGates\"}]' && " + RUNNING % "named"
        ),
        Case(
            "kubectl exec named -- sh -c 'hostname; cat /etc/hosts; pwd; touch /x'",
            (
                r"^box\.sub\.session-\d+\.svc\.cluster\.local$",
                r"\tbox\.sub\.\S+\tbox$",
                "^10.9.9.9\talias$",
                "^/made/here$",
                "Read-only file system",
            ),
            1,
        ),
        told("named", "NoEffect", r"Warning +NoEffect .*spec\.hostPID: no effect"),
        Case("kubectl delete pod named"),
    ),
    "hooks": (
        applied(HOOKS),
        Case(RUNNING % "hooked"),
        Case("kubectl logs hooked -c web", ('"GET /none HTTP/1.1" 404 .*kube-lifecycle/',)),
        Case(
            "kubectl logs -f hooked -c reader > told & sleep 0.3; kubectl delete pod hooked; "
            "wait; cat told",
            ("deleted", "^started on hooked$", "^stopping$", "^signal$"),
        ),
        applied(FAILING_HOOK),
        Case(
            "kubectl wait --timeout=10s pod/unhooked "
            "--for=jsonpath={.status.containerStatuses[0].restartCount}=1"
        ),
        told(
            "unhooked",
            "FailedPostStartHook",
            r"Warning +FailedPostStartHook .* PostStartHook failed$",
            ("secret",),
        ),
        Case("kubectl delete pod unhooked"),
    ),
}
"""Sessions as in kubectl_sessions; what holds for root alone is in AS_ROOT."""

SEEN = (
    "kubectl exec owned -c main -- sh -c 'exec 2>&1; id; "
    "stat -L -c %n:%u:%g:%a /own /part /memory /files/*; "
    'cat /files/facts/notes; echo; grep -c " /memory tmpfs .*size=1024k" /proc/mounts; '
    "head -c 2000000 /dev/zero > /memory/big; env | grep ^C_; touch /own/mine && "
    "stat -c %u:%g /own/mine'"
)
AS_ROOT: dict[str, tuple[Case, ...]] = {
    "volumes and whose they are": (
        applied(VOLUMES),
        Case(RUNNING % "owned"),
        Case(
            SEEN,
            (
                r"^uid=1000.* gid=3000.* groups=3000,2000,4000$",
                "^/own:0:2000:2777$",
                "^/part:0:2000:2777$",
                "^/memory:0:2000:2777$",
                "^/files/bin:0:2000:444$",
                "^/files/facts:0:2000:2755$",
                "^/files/run:0:2000:555$",
                "^/files/token:1000:2000:640$",
                "^/files/user:0:2000:440$",
                r'^note="two\\nlines"$',
                "^1$",
                "No space left on device",
                "^C_color=blue$",
                "^1000:2000$",
            ),
            hides=("C_bin",),
        ),
        Case(
            'kubectl patch cm settings -p \'{"data":{"run.sh":"echo changed"}}\'; '
            "until kubectl exec owned -- sh /files/run | grep changed; do sleep 0.1; done",
            ("^changed$",),
        ),
        Case("kubectl delete pod owned"),
    ),
}
AS_USER: dict[str, tuple[Case, ...]] = {
    "volumes, where there is one user": (
        applied(VOLUMES),
        Case(RUNNING % "owned"),
        Case(
            SEEN,
            (
                r"^uid=0\(root\) gid=0",
                "^/own:0:0:777$",
                "^/memory:0:0:777$",
                "^/files/run:0:0:555$",
                "^/files/token:0:0:444$",
                "^/files/user:0:0:400$",
                "^1$",
                "No space left on device",
                "^0:0$",
            ),
        ),
        told(
            "owned",
            "NoSuchUser",
            r"Warning +NoSuchUser .*spec\.securityContext\.runAsUser, .*fsGroup.*: no effect, "
            r"since this lab has no other user than 0",
        ),
        Case("kubectl delete pod owned"),
    ),
}
