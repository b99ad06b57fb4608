"""What people do with kubectl, step by step: every session in a namespace of its own."""

from tests.e2e.shells import Case

APPLIED = "printf 'apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: %s}\\n---\\n'"
WEB = "kubectl create deploy web --image=nginx --replicas=2"
ROLLED = Case(
    "kubectl rollout status deploy web --timeout=20s",
    ('^deployment "web" successfully rolled out$',),
)

SESSIONS: dict[str, tuple[Case, ...]] = {
    "an apply set prunes what it no longer names": (
        Case(
            f"export KUBECTL_APPLYSET=true; {APPLIED} one two | "
            "kubectl apply -n $NAMESPACE --prune --applyset=mine -f -",
            ("^configmap/one created$", "^configmap/two created$"),
        ),
        Case(
            f"export KUBECTL_APPLYSET=true; {APPLIED} one | "
            "kubectl apply -n $NAMESPACE --prune --applyset=mine -f -",
            ("^configmap/one unchanged$", "^configmap/two pruned$"),
        ),
        Case(
            "kubectl get secret mine -o jsonpath={.metadata.annotations}",
            ('"applyset.kubernetes.io/contains-group-kinds":"ConfigMap"',),
        ),
        Case("kubectl get cm one two", ("^one ", 'configmaps "two" not found'), 1),
    ),
    "what was applied last": (
        Case(f"{APPLIED} one > one.yaml && kubectl apply -f one.yaml", ("created$",)),
        Case("kubectl apply view-last-applied cm one", ("^  name: one$",)),
        Case("kubectl create cm two"),
        Case(
            f"{APPLIED} two | kubectl apply -f -",
            (r"^Warning: resource configmaps/two is missing the .*last-applied", "configured$"),
        ),
        Case("kubectl diff -f one.yaml", hides=("^[-+]",)),
        Case("kubectl diff -f none.yaml", ("none.yaml",), 2),
        Case(
            'KUBE_EDITOR="sed -i s/^kind:.*/&/" kubectl edit cm one',
            ("^Edit cancelled, no changes made.$",),
        ),
    ),
    "secrets and services of every type": (
        Case(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x "
            "-keyout key -out crt 2>/dev/null && kubectl create secret tls t --cert=crt --key=key",
            ("^secret/t created$",),
        ),
        Case("kubectl create secret docker-registry r --docker-username=a --docker-password=b"),
        Case(
            "kubectl get secrets r t",
            (r"^r +kubernetes.io/dockerconfigjson +1 ", r"^t +kubernetes.io/tls +2 "),
        ),
        Case(
            "kubectl create service clusterip a --tcp=80 && "
            "kubectl create service loadbalancer b --tcp=80:8080 && "
            "kubectl create service externalname c --external-name=a.com && "
            "kubectl create service clusterip d --clusterip=None",
        ),
        Case(
            "kubectl wait --for=jsonpath='{.status.loadBalancer.ingress}' svc/b --timeout=10s && "
            "kubectl get svc",
            (
                r"^a +ClusterIP +10\.[\d.]+ +<none> +80/TCP ",
                r"^b +LoadBalancer +10\.[\d.]+ +[\d.]+ +80:\d{5}/TCP ",
                r"^c +ExternalName +<none> +a\.com +<none> ",
                r"^d +ClusterIP +None +<none> +<none> ",
            ),
        ),
        Case("kubectl delete svc a b", ('^service "a" deleted', '^service "b" deleted')),
        Case("kubectl delete secret --all", ('^secret "r" deleted', '^secret "t" deleted')),
    ),
    "deletions by name, label and all": (
        Case("for n in 1 2 3 4; do kubectl create cm c$n; done && kubectl label cm c1 c2 a=b"),
        Case("kubectl delete cm -l a=b", ('^configmap "c1" deleted', '^configmap "c2" deleted')),
        Case("kubectl delete cm c3 none", ('"c3" deleted', 'configmaps "none" not found'), 1),
        Case("kubectl delete cm none --ignore-not-found", hides=(".",)),
        Case("kubectl delete cm c4 --dry-run=server", (r"\(server dry run\)",)),
        Case("kubectl delete cm --all", ('^configmap "c4" deleted',)),
    ),
    "owners leave their objects or take them along": (
        Case(f"{WEB} && {ROLLED.line}"),
        Case("kubectl delete deploy web --cascade=orphan", ('"web" deleted',)),
        Case("kubectl get rs -l app=web -o jsonpath={.items[*].status.readyReplicas}", ("2",)),
        Case(
            "kubectl get rs,pods -l app=web -o "
            "jsonpath='{.items[?(@.kind==\"ReplicaSet\")].metadata.ownerReferences}'",
            hides=(".",),
        ),
        Case("kubectl delete rs -l app=web --cascade=foreground", ("deleted",)),
        Case("kubectl get pods -l app=web", ("^No resources found",)),
        Case(f"{WEB} && kubectl delete deploy web --cascade=background", ('"web" deleted',)),
        Case("kubectl wait --for=delete rs,pods -l app=web --timeout=20s"),
    ),
    "revisions of a deployment": (
        Case(f"{WEB} && kubectl expose deploy web --port=80"),
        ROLLED,
        Case(
            "kubectl set image deploy/web nginx=nginx:2 && "
            "kubectl annotate deploy/web kubernetes.io/change-cause=newer"
        ),
        ROLLED,
        Case(
            "kubectl rollout history deploy web",
            (r"^REVISION +CHANGE-CAUSE$", r"^1 +<none>$", r"^2 +newer$"),
        ),
        Case("kubectl rollout history deploy web --revision=2", (r"^    Image:\tnginx:2$",)),
        Case("kubectl rollout undo deploy web --to-revision=1", ("rolled back$",)),
        ROLLED,
        Case("kubectl get deploy web -o jsonpath={..image}", ("^nginx$",)),
        Case(
            "kubectl rollout undo deploy web --to-revision=77",
            ("^error: unable to find specified revision 77 in history$",),
            1,
        ),
        Case("kubectl set env deploy web A=b && kubectl set env deploy web --list", ("^A=b$",)),
        ROLLED,
        Case("kubectl get endpoints web", (r"^web +10\.[\d.]+:80,10\.[\d.]+:80 ",)),
        Case("kubectl delete deploy,svc web"),
    ),
    "watching only what comes": (
        Case("kubectl create cm before"),
        Case(
            "timeout 20 kubectl get cm --watch-only --no-headers > seen & "
            "until test -s seen; do kubectl create cm after$((n=n+1)); done > made; kill %1; "
            "head -1 seen",
            (r"^after\d+ +0 +\d+s$",),
            hides=("before",),
        ),
    ),
    "through a proxy": (
        Case(
            "kubectl proxy --port=0 > proxy & until test -s proxy; do sleep 0.02; done; "
            "curl -s 127.0.0.1:$(sed 's/.*://' proxy)/api/v1/namespaces/default; kill %1",
            ('"name": ?"default"',),
        ),
    ),
    "settings of the client": (
        Case("kubectl config current-context", ("^lateen-",)),
        Case("kubectl config get-contexts", (r"^CURRENT +NAME +CLUSTER", r"^\* +lateen-")),
        Case("kubectl config get-clusters", ("^NAME$", "^lateen-")),
        Case("kubectl config view", ("server: https://127.0.0.1:", "token: REDACTED")),
        Case("kubectl config set-context --current --namespace=elsewhere", ("modified.$",)),
        Case("kubectl get pods", ("^No resources found in elsewhere namespace.$",)),
    ),
    "the node": (
        Case("kubectl get nodes -o wide", (r"^lateen +Ready +control-plane ", "lateen://")),
        Case("kubectl taint node lateen lateen.dev/t=1:PreferNoSchedule", ("tainted$",)),
        Case("kubectl taint node lateen lateen.dev/t-", ("untainted$",)),
        Case("kubectl describe node lateen", ("^  HolderIdentity: +lateen$", "^  cpu ")),
    ),
    "asking about rights": (
        Case("kubectl auth can-i --list", (r"^\*\.\* ",)),
        Case("kubectl create role r --verb=get --resource=pods", ("^role.*/r created$",)),
        Case("kubectl create sa bob && kubectl create token bob --duration=10m", (r"^[\w-]+\.",)),
        Case(
            "kubectl auth whoami --token=$(kubectl create token bob)",
            (r"^Username +system:serviceaccount:\S+:bob$",),
        ),
    ),
    "waiting": (
        Case("kubectl create cm c && kubectl wait --for=create cm/c", ("condition met$",)),
        Case(
            "kubectl wait --for=jsonpath='{.metadata.name}'=c cm/c --timeout=5s",
            ("^configmap/c condition met$",),
        ),
        Case(
            "kubectl wait --for=jsonpath='{.data.x}' cm/c --timeout=1s",
            ("^error: timed out waiting for the condition on configmaps/c$",),
            1,
        ),
        Case("kubectl delete cm c && kubectl wait --for=delete cm/c --timeout=5s"),
    ),
}
