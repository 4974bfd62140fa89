//! `cargo xtask demo`: from nothing to a signed, evidenced, promoted adapter.

use crate::command::{self, build_freehold, step};
use crate::components;
use crate::failure::Failure;
use crate::project::Project;

pub(crate) fn run_recipe(project: &Project, recipe: &str) -> Result<(), Failure> {
    step(&format!("Running {recipe} in {}", project.folder.display()));
    command::run(&mut project.freehold(&["run", recipe]))
}

pub(crate) fn run() -> Result<(), Failure> {
    let plugins = components::build_all()?;
    let freehold = build_freehold()?;
    let project = Project::prepare("demo", freehold.clone(), &plugins)?;
    run_recipe(&project, "freehold.toml")?;
    println!(
        "\nThe commands above are to be given in {}; the program is {}.",
        project.folder.display(),
        freehold.display()
    );
    println!("A run that a policy denies: freehold --home home run denied.toml");
    Ok(())
}
