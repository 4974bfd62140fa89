//! OpenAI's own client for Python.

use freehold_tests::{Serving, Tools};

use crate::promoted;

#[test]
fn openai_s_own_client_is_content() {
    let Some(tools) = Tools::find() else { return };
    let project = promoted();
    let key = project.run(&["serve", "key", "new", "python", "--json"]).expect(0).json();
    let serving = Serving::start(&project, &[]);
    let address = serving.address.to_string();
    let arguments = [address.as_str(), key["key"].as_str().unwrap(), "desk@production"];
    drop(tools.script("openai_client.py", &arguments, project.path()).expect(0));
    serving.end();
}
