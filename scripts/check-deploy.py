"""What deploy/ names must exist: metrics, settings, files, labels, ports, alerts. A part of scripts/check-deploy."""

import json
import re
import sys
import warnings
from pathlib import Path

import yaml

warnings.simplefilter("ignore")
import kubernetes_validate  # noqa: E402  (it warns of its own imports)

DEPLOY = Path("deploy")
# The oldest and the newest version that the manifests are written for. preStop's `exec` needs nothing newer.
KUBERNETES = ["1.27", "1.34"]
problems = []


def expect(condition, problem):
    if not condition:
        problems.append(problem)


def text(path):
    return Path(path).read_text(encoding="utf-8")


# --- What there is ---

metrics = set(re.findall(r'"(apus_[a-z_]+)":', text("Sources/apus/MetricHelp.swift")))
operations = text("docs/operations.md")
settings = set(re.findall(r"^\| `(APUS_[A-Z0-9_]+)` \|", text("docs/configuration.md"), re.M))
expect(len(metrics) > 30, "MetricHelp.swift: its form has changed, no metrics are found")
expect(len(settings) > 30, "configuration.md: its form has changed, no settings are found")

for metric in sorted(metrics):
    expect(f"`{metric}" in operations, f"docs/operations.md does not tell of {metric}")

# --- What is named ---

for path in sorted(DEPLOY.rglob("*")):
    if not path.is_file():
        continue
    body = text(path)
    # APUS_PROXY_… and APUS_GW_… are those of the proxy.
    for name in set(re.findall(r"\bAPUS_[A-Z0-9_]+\b", body)):
        known = name in settings or name.startswith(("APUS_PROXY_", "APUS_GW_"))
        expect(known, f"{path}: {name} is no setting")
    if path.suffix in (".yml", ".yaml", ".json"):
        for name in set(re.findall(r"\bapus_[a-z_]+\b", body)):
            expect(
                re.sub(r"_(bucket|count|sum)$", "", name) in metrics or name in metrics, f"{path}: {name} is no metric")
    if path.suffix == ".json":
        json.loads(body)
    for number, line in enumerate(body.splitlines(), 1):
        expect(len(line) <= 130 or path.suffix == ".json" or line.startswith("|"), f"{path}:{number} has {len(line)} characters")

# --- Alerts: each is explained in the operations guide, and nothing else is ---

rules = yaml.safe_load(text(DEPLOY / "prometheus/apus.rules.yml"))
alerts = [rule for group in rules["groups"] for rule in group["rules"]]
for alert in alerts:
    expect(f"| `{alert['alert']}` |" in operations, f"docs/operations.md does not explain the alert {alert['alert']}")
    expect(alert["labels"]["severity"] in ("page", "ticket"), f"{alert['alert']}: page or ticket")
names = {alert["alert"] for alert in alerts}
for name in re.findall(r"^\| `(Apus[A-Za-z]+)` \|", operations, re.M):
    expect(name in names, f"docs/operations.md explains {name}, which is no alert")

# --- Dashboard ---

board = json.loads(text(DEPLOY / "grafana/apus.json"))
ids = [panel["id"] for panel in board["panels"]]
expect(len(set(ids)) == len(ids), "grafana/apus.json: two panels have the same id")

# --- Kubernetes ---

folder = DEPLOY / "kubernetes"
kustomization = yaml.safe_load(text(folder / "kustomization.yaml"))
manifests = {}
for path in sorted(folder.glob("*.yaml")):
    if path.name in ("kustomization.yaml", "custom-metrics-adapter.yaml"):
        continue
    listed = "secret.yaml" if path.name == "secret.example.yaml" else path.name
    expect(listed in kustomization["resources"], f"{path} is not in kustomization.yaml")
    for manifest in yaml.safe_load_all(text(path)):
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                problems.append(f"{path}, Kubernetes {version}: {error.message}")
        name = manifest["metadata"]["name"]
        if manifest["kind"] != "Namespace":
            expect(manifest["metadata"].get("namespace") == "apus", f"{path}: not in the namespace apus")
        manifests[manifest["kind"], name] = manifest

pod = manifests["Deployment", "apus"]["spec"]["template"]
labels = pod["metadata"]["labels"].items()
container = pod["spec"]["containers"][0]
ports = {port["name"] for port in container["ports"]}
deployment = manifests["Deployment", "apus"]["spec"]
for kind, selector in [
    ("Deployment", deployment["selector"]["matchLabels"]),
    ("Service", manifests["Service", "apus"]["spec"]["selector"]),
    ("Service apus-backend", manifests["Service", "apus-backend"]["spec"]["selector"]),
    ("PodDisruptionBudget", manifests["PodDisruptionBudget", "apus"]["spec"]["selector"]["matchLabels"]),
    ("NetworkPolicy", manifests["NetworkPolicy", "apus"]["spec"]["podSelector"]["matchLabels"]),
]:
    expect(selector.items() <= labels, f"the {kind} selects {selector}, which the pods do not have")
for name in ("apus", "apus-backend"):
    for port in manifests["Service", name]["spec"]["ports"]:
        expect(port["targetPort"] in ports, f"the Service {name}: the pods have no port {port['targetPort']}")
for rule in manifests["NetworkPolicy", "apus"]["spec"]["ingress"]:
    for port in rule["ports"]:
        expect(port["port"] in ports, f"the NetworkPolicy: the pods have no port {port['port']}")
for probe, path in [("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")]:
    expect(container[probe]["httpGet"]["path"] == path, f"{probe} must ask {path}")
    expect(container[probe]["httpGet"]["port"] in ports, f"{probe}: the pods have no such port")
for source in container["envFrom"]:
    kind, reference = next(iter(source.items()))
    kind = {"configMapRef": "ConfigMap", "secretRef": "Secret"}[kind]
    expect((kind, reference["name"]) in manifests, f"envFrom: there is no {kind} {reference['name']}")
target = manifests["HorizontalPodAutoscaler", "apus"]["spec"]["scaleTargetRef"]
expect((target["kind"], target["name"]) in manifests, "the autoscaler's target does not exist")
drain = int(manifests["ConfigMap", "apus"]["data"]["APUS_DRAIN_SECONDS"])
pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
expect(pod["spec"]["terminationGracePeriodSeconds"] >= pause + drain + 10, "terminationGracePeriodSeconds is too short")

# --- Dockerfile ---

dockerfile = DEPLOY / "container/Dockerfile"
lines = re.sub(r"\\\n\s*", " ", text(dockerfile)).splitlines()
words = [line.split() for line in lines if line and not line.startswith("#")]
ignored = text(DEPLOY / "container/Dockerfile.dockerignore").splitlines()
stages = [word[3] for word in words if word[0] == "FROM" and len(word) > 3]
for word in words:
    if word[0] == "FROM":
        expect(":" in word[1] and not word[1].endswith(":latest"), f"{dockerfile}: {word[1]} has no version")
    if word[0] == "COPY" and not word[1].startswith("--from="):
        for source in word[1:-1]:
            expect(Path(source).exists(), f"{dockerfile}: {source} does not exist")
            expect(f"!{source}" in ignored, f"{dockerfile}: {source} is kept out by Dockerfile.dockerignore")
    if word[0] == "COPY" and word[1].startswith("--from="):
        expect(word[1][7:] in stages, f"{dockerfile}: there is no stage {word[1][7:]}")
    if word[0] in ("ENTRYPOINT", "CMD"):
        expect(word[1].startswith("["), f"{dockerfile}: {word[0]} in a shell would not get SIGTERM")
    if word[0] == "RUN" and "apt-get install" in " ".join(word):
        joined = " ".join(word)
        expect("--no-install-recommends" in joined, f"{dockerfile}: apt-get without --no-install-recommends")
        expect("/var/lib/apt/lists" in joined, f"{dockerfile}: apt's lists stay in a layer")
    expect(word[0] != "ADD", f"{dockerfile}: COPY instead of ADD")
users = [word[1] for word in words if word[0] == "USER"]
expect(users and re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]), f"{dockerfile}: it must end as a user by number, not root")
expect(any(word[0] == "HEALTHCHECK" for word in words), f"{dockerfile}: no HEALTHCHECK")
for folder in ("Sources", "Tests", "loadtest", "clients"):
    expect(f"!{folder}" in ignored, f"{dockerfile}: Package.swift needs {folder}")

for problem in problems:
    print(problem)
sys.exit(1 if problems else 0)
