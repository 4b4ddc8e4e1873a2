//! What is in `deploy/`: every configuration loads without a warning, and the manifests are what `deploy/README.md` says.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use dcr_gateway::config::{self, Config};
use serde::Deserialize as _;
use serde_yaml::Value;

const GATEWAY: &str = "dcr-gateway";

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(deploy(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents of a manifest.
fn documents(path: &str) -> Vec<Value> {
    let text = read(path);
    serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap()).collect()
}

fn manifests() -> Vec<(&'static str, Vec<Value>)> {
    ["kubernetes/standalone.yaml", "kubernetes/sidecar.yaml"].map(|path| (path, documents(path))).into()
}

fn of_kind<'d>(documents: &'d [Value], kind: &str) -> Vec<&'d Value> {
    documents.iter().filter(|document| document["kind"] == kind).collect()
}

fn only<'d>(documents: &'d [Value], kind: &str) -> &'d Value {
    match of_kind(documents, kind).as_slice() {
        [only] => only,
        others => panic!("{} of {kind}", others.len()),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_sequence().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value:?}"))
}

fn pod(documents: &[Value]) -> &Value {
    &only(documents, "Deployment")["spec"]["template"]
}

fn containers(documents: &[Value]) -> impl Iterator<Item = &Value> {
    let pod = &pod(documents)["spec"];
    list(&pod["initContainers"]).iter().chain(list(&pod["containers"]))
}

fn gateway(documents: &[Value]) -> &Value {
    containers(documents).find(|container| container["name"] == GATEWAY).expect("there is a gateway")
}

/// Loads a configuration as if `root` were `/`: whatever file it names below one of `directories` is there, for its owner to read.
fn load(text: &str, directories: &[String]) -> Config {
    let root = tempfile::tempdir().unwrap();
    let mut value: Value = serde_yaml::from_str(text).unwrap();
    below(root.path(), directories, &mut value);
    let file = root.path().join("config.yaml");
    let environment = |name: &str| panic!("nothing sets {name}");
    let written = serde_yaml::to_string(&value).unwrap();
    let config = config::from_text(&written, &file, &environment).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.warnings, []);
    config
}

fn below(root: &Path, directories: &[String], value: &mut Value) {
    match value {
        Value::Mapping(members) => members.values_mut().for_each(|value| below(root, directories, value)),
        Value::Sequence(entries) => entries.iter_mut().for_each(|value| below(root, directories, value)),
        Value::String(path) if path.starts_with('/') => {
            let parent = Path::new(&*path).parent().unwrap().to_str().unwrap().to_owned();
            assert!(directories.contains(&parent), "{path} is in none of {directories:?}");
            let file = root.join(path.trim_start_matches('/'));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let is_of_tls = file.extension().is_some_and(|end| ["pem", "crt", "key"].iter().any(|known| end == *known));
            // Else 32 octets in base64: a secret, and a key where one is wanted.
            let held = if is_of_tls { certificate_and_key().to_owned() } else { format!("{}=", "A".repeat(43)) };
            fs::write(&file, held).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            *path = file.to_str().unwrap().to_owned();
        }
        _ => {}
    }
}

/// A certificate that can be a CA, and its key: the same in each file, so that they fit.
fn certificate_and_key() -> &'static str {
    static MADE: OnceLock<String> = OnceLock::new();
    MADE.get_or_init(|| {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        certificate.pem() + &key.serialize_pem()
    })
}

fn ports(config: &Config) -> Vec<u16> {
    let listeners = config.settings.listeners.iter().map(|listener| listener.address.port());
    listeners.chain(config.settings.admin.listen.map(|address| address.port())).collect()
}

/// Where the containers of a manifest find their files: the path, and the volume.
fn mounts(container: &Value) -> BTreeMap<String, &Value> {
    list(&container["volumeMounts"])
        .iter()
        .map(|mount| (text(&mount["mountPath"]).to_owned(), &mount["name"]))
        .collect()
}

#[test]
fn the_configurations_of_the_manifests_load() {
    for (path, documents) in manifests() {
        let config = text(&only(&documents, "ConfigMap")["data"]["config.yaml"]);
        let settings: Value = serde_yaml::from_str(config).unwrap();
        assert!(text(&settings["store"]["url"]).starts_with("postgres://"), "{path}: replicas share a store");
        assert!(text(&settings["throttle"]["backend"]).starts_with("redis"), "{path}: replicas share a throttle");
        let directories: Vec<String> = mounts(gateway(&documents)).into_keys().collect();
        let config = load(&serde_yaml::to_string(&settings).unwrap(), &directories);
        let open: Vec<u16> = list(&gateway(&documents)["ports"])
            .iter()
            .map(|port| u16::try_from(port["containerPort"].as_u64().unwrap()).unwrap())
            .collect();
        assert_eq!(ports(&config), open, "{path}");
    }
}

#[test]
fn the_configuration_of_docker_compose_loads() {
    let written = read("compose/gateway.yaml")
        .replace("/run/secrets/", &format!("{}/", deploy("compose/demo-secrets").display()));
    let config = config::from_text(&written, &deploy("compose/gateway.yaml"), &|_| None);
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    let compose: Value = serde_yaml::from_str(&fs::read_to_string(deploy("../docker-compose.yml")).unwrap()).unwrap();
    let redis = serde_yaml::to_value(&config.settings.throttle.backend).unwrap();
    let host = url::Url::parse(text(&redis)).unwrap().host_str().unwrap().to_owned();
    assert!(!compose["services"][host.as_str()].is_null(), "there is no service {host}");
}

#[test]
fn the_configuration_of_the_unit_loads_with_what_the_unit_hands_over() {
    let unit = read("systemd/dcr-gateway.service");
    let handed_over: Vec<&str> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("LoadCredential=")?.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    let config = read("systemd/config.yaml");
    for part in config.split("${CREDENTIALS_DIRECTORY}/").skip(1) {
        let name = part.split_whitespace().next().unwrap();
        assert!(handed_over.contains(&name), "the unit hands over no {name}");
    }
    let config = config.replace("${CREDENTIALS_DIRECTORY}", "/run/credentials");
    // What the gateway writes is where the unit lets it.
    let directories = ["/run/credentials", "/etc/dcr-gateway/tls", "/run/dcr-gateway", "/var/lib/dcr-gateway"];
    let config = load(&config, &directories.map(str::to_owned));
    assert_eq!(ports(&config), handed_over_ports(), "the socket unit and the configuration name the same ports");
    let socket = config.settings.admin.socket.0.unwrap();
    assert!(socket.ends_with("run/dcr-gateway/admin.sock"));
    assert!(read("systemd/dcr-gateway.socket").contains("ListenStream=/run/dcr-gateway/admin.sock\n"));
    let key = config.settings.store.encryption_key_file.0;
    assert!(key.ends_with("var/lib/dcr-gateway/key") && unit.contains("StateDirectory=dcr-gateway"));
}

/// The ports of the socket unit.
fn handed_over_ports() -> Vec<u16> {
    let unit = read("systemd/dcr-gateway.socket");
    let named = unit.lines().filter_map(|line| line.strip_prefix("ListenStream=")?.rsplit_once(':'));
    named.map(|(_, port)| port.parse().unwrap()).collect()
}

#[test]
fn the_unit_is_hardened_and_reloads_by_the_signal_the_gateway_knows() {
    let unit = read("systemd/dcr-gateway.service");
    let lines: Vec<&str> = unit.lines().collect();
    for line in [
        "User=dcr-gateway",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "RestartPreventExitStatus=78",
        "StateDirectory=dcr-gateway",
        "Type=notify",
        "Sockets=dcr-gateway.socket",
        "CapabilityBoundingSet=",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "MemoryDenyWriteExecute=yes",
        "SystemCallFilter=@system-service",
    ] {
        assert!(lines.contains(&line), "{line} is missing");
    }
    let setting = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let command = setting("ExecStart").unwrap();
    assert!(command.ends_with("serve --config /etc/dcr-gateway/config.yaml"), "{command}");
    assert!(setting("TimeoutStopSec").unwrap().parse::<u32>().unwrap() > 30, "requests in flight have 30 seconds");
}

#[test]
fn every_document_is_one_that_kubernetes_knows() {
    for (path, documents) in manifests() {
        for document in &documents {
            let version = match text(&document["kind"]) {
                "ConfigMap" | "Service" => "v1",
                "Deployment" => "apps/v1",
                "PodDisruptionBudget" => "policy/v1",
                "NetworkPolicy" => "networking.k8s.io/v1",
                other => panic!("{path}: {other}"),
            };
            assert_eq!(text(&document["apiVersion"]), version, "{path}");
            assert!(!text(&document["metadata"]["name"]).is_empty(), "{path}");
        }
    }
}

#[test]
fn selectors_find_the_pods() {
    for (path, documents) in manifests() {
        let labels = &pod(&documents)["metadata"]["labels"];
        let deployment = &only(&documents, "Deployment")["spec"];
        assert_eq!(&deployment["selector"]["matchLabels"], labels, "{path}");
        let service = &only(&documents, "Service")["spec"];
        assert_eq!(&service["selector"], labels, "{path}");
        let budget = &only(&documents, "PodDisruptionBudget")["spec"];
        assert_eq!(&budget["selector"]["matchLabels"], labels, "{path}");
        assert!(
            budget["minAvailable"].as_u64() < deployment["replicas"].as_u64(),
            "{path}: a node could never be drained"
        );
        let policy = of_kind(&documents, "NetworkPolicy")[0];
        assert_eq!(&policy["spec"]["podSelector"]["matchLabels"], labels, "{path}");
        let names: Vec<&Value> = list(&gateway(&documents)["ports"]).iter().map(|port| &port["name"]).collect();
        assert!(list(&service["ports"]).iter().all(|port| names.contains(&&port["targetPort"])), "{path}");
        assert!(
            !list(&service["ports"]).iter().any(|port| port["targetPort"] == "admin"),
            "{path}: admin is not for all"
        );
    }
}

#[test]
fn every_volume_is_there_and_secrets_are_not_for_everybody() {
    for (path, documents) in manifests() {
        let volumes = list(&pod(&documents)["spec"]["volumes"]);
        let configuration = &only(&documents, "ConfigMap")["metadata"]["name"];
        for volume in volumes {
            let secret = &volume["secret"];
            let mode = u32::try_from(secret["defaultMode"].as_u64().unwrap_or(0)).unwrap();
            assert!(secret.is_null() || mode == 0o440, "{path}: {volume:?}");
            assert!(volume["configMap"].is_null() || &volume["configMap"]["name"] == configuration, "{path}");
        }
        for container in containers(&documents) {
            for (_, volume) in mounts(container) {
                assert!(volumes.iter().any(|known| &known["name"] == volume), "{path}: no volume {volume:?}");
            }
        }
    }
}

#[test]
fn the_gateway_runs_with_the_least_it_needs() {
    for (path, documents) in manifests() {
        let pod = &pod(&documents)["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{path}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{path}");
        assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > 35, "{path}: preStop and draining take 35 s");
        for container in containers(&documents) {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{path}");
            assert_eq!(list(&context["capabilities"]["drop"]), ["ALL"], "{path}");
            assert!(!container["resources"]["limits"]["memory"].is_null(), "{path}");
        }
        let gateway = gateway(&documents);
        assert_eq!(gateway["securityContext"]["readOnlyRootFilesystem"], true, "{path}");
        assert!(gateway["env"].is_null(), "{path}: secrets come from files");
        let writable: Vec<&Value> =
            list(&gateway["volumeMounts"]).iter().filter(|mount| mount["readOnly"] != true).collect();
        let [socket] = writable.as_slice() else { panic!("{path}: {writable:?}") };
        assert_eq!(socket["name"], "admin", "{path}: the admin socket alone is written");
        let config = text(&only(&documents, "ConfigMap")["data"]["config.yaml"]);
        assert!(config.contains(&format!("socket: {}/admin.sock", text(&socket["mountPath"]))), "{path}");
        assert!(list(&gateway["volumeMounts"]).iter().all(|mount| mount["subPath"].is_null()), "{path}: no reload");
        for (probe, endpoint) in
            [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
        {
            let get = &gateway[probe]["httpGet"];
            assert_eq!((&get["path"], &get["port"]), (&endpoint.into(), &"admin".into()), "{path}: {probe}");
        }
    }
}

#[test]
fn nothing_but_the_gateway_reaches_keycloak() {
    let standalone = documents("kubernetes/standalone.yaml");
    let gateways = &pod(&standalone)["metadata"]["labels"];
    let policies = of_kind(&standalone, "NetworkPolicy");
    let guard = policies.iter().find(|policy| policy["metadata"]["name"] == "keycloak-behind-dcr-gateway").unwrap();
    let http: Vec<&Value> = list(&guard["spec"]["ingress"])
        .iter()
        .filter(|rule| list(&rule["ports"]).iter().any(|port| port["port"] == 8080) || rule["ports"].is_null())
        .flat_map(|rule| list(&rule["from"]))
        .collect();
    assert_eq!(http.len(), 1);
    assert_eq!(&http[0]["podSelector"]["matchLabels"], gateways);

    let sidecar = documents("kubernetes/sidecar.yaml");
    let keycloak = containers(&sidecar).find(|container| container["name"] == "keycloak").unwrap();
    let host = list(&keycloak["env"]).iter().find(|variable| variable["name"] == "KC_HTTP_HOST").unwrap();
    assert_eq!(host["value"], "127.0.0.1");
    assert!(keycloak["ports"].is_null());
}

/// Runs `promtool`; nothing where it is not installed, unless `DCR_TEST_PROMTOOL=required`.
fn promtool(arguments: &[&str], directory: &Path) -> Option<()> {
    let output = std::process::Command::new("promtool").args(arguments).current_dir(directory).output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            let is_required = std::env::var_os("DCR_TEST_PROMTOOL").is_some_and(|value| value == "required");
            assert!(!is_required, "promtool (Debian: prometheus): {error}");
            eprintln!("skipped: promtool is not installed (Debian: prometheus)");
            return None;
        }
    };
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "promtool {arguments:?}:\n{said}");
    Some(())
}

#[test]
fn prometheus_takes_the_rules_and_they_are_raised_when_they_should_be() {
    let directory = deploy("prometheus");
    let Some(()) = promtool(&["check", "rules", "rules.yaml"], &directory) else { return };
    promtool(&["test", "rules", "rules_test.yaml"], &directory);
}

#[test]
fn every_alert_is_tried_and_says_what_to_do() {
    let rules: Value = serde_yaml::from_str(&read("prometheus/rules.yaml")).unwrap();
    let tried = read("prometheus/rules_test.yaml");
    let alerts = list(&rules["groups"]).iter().flat_map(|group| list(&group["rules"]));
    let alerts: Vec<&Value> = alerts.filter(|rule| !rule["alert"].is_null()).collect();
    assert!(alerts.len() > 15, "{}", alerts.len());
    for alert in alerts {
        let name = text(&alert["alert"]);
        assert!(tried.contains(name), "{name} is in no test");
        assert!(["page", "ticket"].contains(&text(&alert["labels"]["severity"])), "{name}");
        let annotations = ["summary", "description"].map(|annotation| text(&alert["annotations"][annotation]));
        assert!(annotations.iter().all(|annotation| annotation.len() > 20), "{name}");
    }
}

#[test]
fn prometheus_of_docker_compose_takes_its_configuration_with_the_rules() {
    let directory = tempfile::tempdir().unwrap();
    let compose: Value = serde_yaml::from_str(&read("../docker-compose.yml")).unwrap();
    for volume in list(&compose["services"]["prometheus"]["volumes"]) {
        let (from, to) = text(volume).strip_suffix(":ro").unwrap().split_once(':').unwrap();
        let name = Path::new(to).strip_prefix("/etc/prometheus").unwrap();
        fs::copy(deploy("..").join(from), directory.path().join(name)).unwrap();
    }
    promtool(&["check", "config", "prometheus.yml"], directory.path());
    let job: Value = serde_yaml::from_str(&read("compose/prometheus.yaml")).unwrap();
    assert_eq!(job["scrape_configs"][0]["job_name"], "dcr-gateway", "the rules ask for this job");
    let target = text(&job["scrape_configs"][0]["static_configs"][0]["targets"][0]);
    assert!(!compose["services"][target.split(':').next().unwrap()].is_null(), "there is no service at {target}");
}

/// The panels of the dashboard.
fn panels() -> (serde_json::Value, Vec<serde_json::Value>) {
    let dashboard: serde_json::Value = serde_json::from_str(&read("grafana/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().clone();
    (dashboard, panels)
}

#[test]
fn every_panel_says_what_it_shows_and_asks_the_chosen_prometheus() {
    let (dashboard, panels) = panels();
    let variables: Vec<&str> =
        dashboard["templating"]["list"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(variables, ["datasource", "job", "profile"]);
    let mut places = std::collections::BTreeSet::new();
    for panel in &panels {
        let title = panel["title"].as_str().unwrap();
        assert!(places.insert(panel["id"].as_u64().unwrap()), "{title}: its id stands twice");
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{title}: {place}");
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for asked in targets.iter().chain([panel]) {
            assert_eq!(asked["datasource"]["uid"], "${datasource}", "{title}");
        }
        // Grafana knows how far apart the samples are; a window of ours might hold one, and a rate of one is nothing.
        let is_rate = |expression: &str| expression.contains("rate(") && !expression.contains("[$__rate_interval]");
        assert!(!targets.iter().any(|target| target["expr"].as_str().is_some_and(is_rate)), "{title}");
    }
}

#[test]
fn prometheus_can_read_every_expression_of_the_dashboard() {
    let directory = tempfile::tempdir().unwrap();
    let (_, panels) = panels();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let rules: Vec<serde_json::Value> = targets
        .enumerate()
        .map(|(number, target)| {
            let expression =
                target["expr"].as_str().unwrap().replace("$__rate_interval", "1m").replace("$__range", "1h");
            serde_json::json!({ "record": format!("panel:{number}"), "expr": expression })
        })
        .collect();
    let file = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    fs::write(directory.path().join("dashboard.yaml"), file.to_string()).unwrap();
    promtool(&["check", "rules", "dashboard.yaml"], directory.path());
}

#[test]
fn grafana_of_docker_compose_finds_what_it_is_provisioned_with() {
    let compose: Value = serde_yaml::from_str(&read("../docker-compose.yml")).unwrap();
    let volumes: Vec<&str> = list(&compose["services"]["grafana"]["volumes"]).iter().map(text).collect();
    let provider: Value = serde_yaml::from_str(&read("grafana/provisioning/dashboards/dcr-gateway.yaml")).unwrap();
    let path = text(&provider["providers"][0]["options"]["path"]);
    let dashboard = volumes.iter().find(|volume| volume.starts_with("./deploy/grafana/dashboard.json:")).unwrap();
    assert!(dashboard.contains(&format!(":{path}/")), "{dashboard}");
    let sources: Value = serde_yaml::from_str(&read("grafana/provisioning/datasources/prometheus.yaml")).unwrap();
    for source in list(&sources["datasources"]) {
        let host = url::Url::parse(text(&source["url"])).unwrap().host_str().unwrap().to_owned();
        assert!(!compose["services"][host.as_str()].is_null(), "there is no service {host}");
    }
}
