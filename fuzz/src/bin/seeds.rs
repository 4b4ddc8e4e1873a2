//! Writes the seeds: what `tests/properties` makes up, the requests of real clients, the hostile corpus. `seeds DIRECTORY [EACH]`

use std::fs;
use std::path::Path;

use dcr_gateway_fuzz::inputs;
// Everything here is built for the fuzzer, this too.
use libfuzzer_sys as _;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::TestRunner;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().expect("seeds DIRECTORY [EACH]");
    let each = arguments.next().map_or(400, |each| each.parse().expect("a number"));
    let seeds = Seeds { directory: Path::new(&directory), each };
    seeds.write("strict_json", inputs::json_text(), inputs::hostile_bodies().into_iter().map(String::into_bytes));
    let uris = inputs::hostile_uris();
    seeds.write(
        "redirect_uri",
        inputs::uri().prop_map(String::into_bytes),
        uris.iter().cloned().map(String::into_bytes),
    );
    let clients = inputs::real_clients();
    // The worlds of `held::decision` are the corpus's five profiles before three kinds of servers.
    let in_worlds = |body: &String| (0..15u8).map(|world| [&[world], body.as_bytes()].concat()).collect::<Vec<_>>();
    let asked: Vec<String> = uris.iter().map(|uri| inputs::asking_for(uri)).chain(clients.iter().cloned()).collect();
    seeds.write("decision", inputs::registration(), asked.iter().flat_map(in_worlds));
    let whole = |body: &String| [b"\x0c\x02application/json\0", body.as_bytes()].concat();
    seeds.write("request", inputs::request(), clients.iter().map(whole));
    seeds.write("web_token", inputs::web_token(), []);
    seeds.write("certificate_headers", inputs::certificate_headers(), []);
    seeds.write("configuration", inputs::configuration(), []);
    seeds.write("paths", inputs::path(), []);
}

struct Seeds<'s> {
    directory: &'s Path,
    each: usize,
}

impl Seeds<'_> {
    fn write(&self, target: &str, made_up: impl Strategy<Value = Vec<u8>>, known: impl IntoIterator<Item = Vec<u8>>) {
        let mut runner = TestRunner::deterministic();
        let made_up = (0..self.each).map(|_| made_up.new_tree(&mut runner).expect("an input").current());
        let folder = self.directory.join(target);
        fs::create_dir_all(&folder).expect("a directory for the seeds");
        for (number, seed) in made_up.chain(known).enumerate() {
            fs::write(folder.join(format!("seed-{number}")), seed).expect("a seed is written");
        }
    }
}
