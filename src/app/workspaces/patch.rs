//! What a client says of a workspace: each field left alone, cleared or set.
//!
//! Never stores stars: they stand for the value that is kept.

use std::collections::BTreeMap;
use std::fmt;

use crate::app::place;
use crate::domain::workspace::{DISTROS, STARS, WorkspaceOptions};
use crate::domain::{Error, Result, Workspace};

/// Most bytes of a script.
const MAX_SCRIPT: usize = 64 * 1024;
/// Most bytes of all its lists together: lists of workspaces show them.
const MAX_LISTS: usize = 32 * 1024;
/// Most bytes of another text.
const MAX_TEXT: usize = 1_024;
/// Longest path that the kernel takes (PATH_MAX).
const MAX_PATH: usize = 4_096;
/// Most names in a list.
const MAX_NAMES: usize = 256;

/// A field that may be absent and may be null.
pub type Said<T> = Option<Option<T>>;

/// What a client says of a workspace. Absent: as it is.
#[derive(Clone, Default)]
pub struct WorkspacePatch {
    /// Its name.
    pub name: Option<String>,
    /// `host`, or a word for what this server cannot make.
    pub kind: Option<String>,
    /// Absolute, or below the first root; null: a place of its own.
    pub path: Said<String>,
    /// What it is made from.
    pub template: Said<String>,
    /// The distribution.
    pub distro: Said<String>,
    /// The script that begins it.
    pub init_script: Said<String>,
    /// All of its variables; stars for those that stay.
    pub env: Option<BTreeMap<String, String>>,
    /// Lists of names: skills, tools, plugins, mcps, fragments of the script.
    pub lists: [Option<Vec<String>>; 5],
    /// A profile of the library.
    pub config_profile: Said<String>,
    /// Whether it has the machine's network.
    pub shared_network: Said<bool>,
    /// The word of its private network.
    pub tailscale_mode: Said<String>,
}

/// Names alone: values may be secrets.
impl fmt::Debug for WorkspacePatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkspacePatch")
            .field("name", &self.name)
            .field("path", &self.path)
            .field("env", &self.env.as_ref().map(|env| env.keys()))
            .finish_non_exhaustive()
    }
}

impl WorkspacePatch {
    /// The names of [`WorkspacePatch::lists`], in their order.
    pub const LISTS: [&'static str; 5] = ["skills", "tools", "plugins", "mcps", "init_scripts"];

    /// The workspace with all of it but the path, and its variables.
    ///
    /// # Errors
    /// `bad_field`, `bad_env`, `container_unsupported`.
    pub(super) fn apply(
        &self,
        mut one: Workspace,
        held: &BTreeMap<String, String>,
    ) -> Result<(Workspace, BTreeMap<String, String>)> {
        self.host_alone()?;
        if let Some(path) = self.path.as_ref().and_then(Option::as_ref) {
            text("path", path, MAX_PATH)?;
        }
        if let Some(name) = &self.name {
            one.name.clone_from(name);
        }
        set(&mut one.template, &self.template, "template", MAX_TEXT)?;
        set(&mut one.distro, &self.distro, "distro", MAX_TEXT)?;
        set(
            &mut one.init_script,
            &self.init_script,
            "init_script",
            MAX_SCRIPT,
        )?;
        if let Some(distro) = one.distro.as_deref()
            && !DISTROS.contains(&distro)
        {
            let message = "the distribution is not known";
            let expected = DISTROS.join(", ");
            return Err(Error::invalid("bad_field", "distro", message, expected));
        }
        self.settle_options(&mut one.options)?;
        let env = match &self.env {
            Some(env) => variables(env, held)?,
            None => held.clone(),
        };
        one.options.variables = env.keys().cloned().collect();
        fits(&one.options)?;
        Ok((one, env))
    }

    /// What would be more than a directory is refused before anything is made.
    fn host_alone(&self) -> Result<()> {
        let template = self.template.as_ref().is_some_and(Option::is_some);
        match self.kind.as_deref() {
            None | Some("host") if !template => Ok(()),
            None | Some("host" | "container" | "chroot") => Err(Error::Unsupported {
                code: "container_unsupported",
                message: "this server has workspaces of the type host alone".to_owned(),
            }),
            Some(_) => Err(Error::invalid(
                "bad_field",
                "workspace_type",
                "the type is not known",
                "host or container",
            )),
        }
    }

    fn settle_options(&self, options: &mut WorkspaceOptions) -> Result<()> {
        let lists = [
            &mut options.skills,
            &mut options.tools,
            &mut options.plugins,
            &mut options.mcps,
            &mut options.init_scripts,
        ];
        for ((list, said), name) in lists.into_iter().zip(&self.lists).zip(Self::LISTS) {
            let Some(said) = said else { continue };
            if said.len() > MAX_NAMES {
                let expected = format!("at most {MAX_NAMES} names");
                return Err(Error::invalid(
                    "bad_field",
                    name,
                    "the list is too long",
                    expected,
                ));
            }
            said.iter().try_for_each(|one| text(name, one, MAX_TEXT))?;
            list.clone_from(said);
        }
        set(
            &mut options.config_profile,
            &self.config_profile,
            "config_profile",
            MAX_TEXT,
        )?;
        set(
            &mut options.tailscale_mode,
            &self.tailscale_mode,
            "tailscale_mode",
            MAX_TEXT,
        )?;
        if let Some(said) = self.shared_network {
            options.shared_network = said;
        }
        Ok(())
    }
}

/// Whether the lists are not too long together.
fn fits(options: &WorkspaceOptions) -> Result<()> {
    let lists = [
        &options.skills,
        &options.tools,
        &options.plugins,
        &options.mcps,
        &options.init_scripts,
    ];
    let bytes: usize = lists.into_iter().flatten().map(String::len).sum();
    if bytes <= MAX_LISTS {
        return Ok(());
    }
    let message = "the lists of names are too long together";
    let expected = format!("at most {MAX_LISTS} bytes in all");
    Err(Error::invalid("bad_field", "skills", message, expected))
}

/// All variables as they are said, with those that stay.
fn variables(
    said: &BTreeMap<String, String>,
    held: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    let mut env = BTreeMap::new();
    for (name, value) in said {
        let value = if value == STARS {
            held.get(name).ok_or_else(|| {
                let shown: String = name.chars().take(64).collect();
                Error::invalid(
                    "bad_env",
                    format!("env_vars.{shown}"),
                    "stars stand for a value that is kept, and there is none",
                    "the value",
                )
            })?
        } else {
            value
        };
        env.insert(name.clone(), value.clone());
    }
    place::variables(&env)?;
    Ok(env)
}

fn set(
    field: &mut Option<String>,
    said: &Said<String>,
    name: &'static str,
    most: usize,
) -> Result<()> {
    if let Some(said) = said {
        if let Some(said) = said {
            text(name, said, most)?;
        }
        field.clone_from(said);
    }
    Ok(())
}

fn text(name: &'static str, text: &str, most: usize) -> Result<()> {
    let fits = text.len() <= most && !text.contains('\0');
    fits.then_some(()).ok_or_else(|| {
        let expected = format!("at most {most} bytes, no NUL");
        Error::invalid("bad_field", name, "the text is too long", expected)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Timestamp, UserId};

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        owned.collect()
    }

    fn blank() -> Workspace {
        Workspace::host(UserId::generate(), "/w".into(), Timestamp(1))
    }

    #[test]
    fn stars_keep_a_value_and_nothing_else() {
        let held = env(&[("A", "one"), ("B", "two")]);
        let says = |pairs: &[(&str, &str)]| WorkspacePatch {
            env: Some(env(pairs)),
            ..WorkspacePatch::default()
        };
        let (one, all) = says(&[("A", STARS), ("C", "three")])
            .apply(blank(), &held)
            .unwrap();
        assert_eq!(all, env(&[("A", "one"), ("C", "three")]));
        assert_eq!(one.options.variables, ["A", "C"]);
        let (_, same) = says(&[("A", STARS), ("B", STARS)])
            .apply(blank(), &held)
            .unwrap();
        assert_eq!(same, held);
        let error = says(&[("D", STARS)]).apply(blank(), &held).unwrap_err();
        assert_eq!(error.code(), "bad_env");
        let (_, left) = WorkspacePatch::default().apply(blank(), &held).unwrap();
        assert_eq!(left, held);
    }

    #[test]
    fn only_what_is_named_changes_and_null_clears() {
        let mut one = blank();
        one.init_script = Some("x".into());
        one.options.skills = vec!["s".into()];
        let patch = WorkspacePatch {
            init_script: Some(None),
            distro: Some(Some("arch-linux".into())),
            ..WorkspacePatch::default()
        };
        let (after, _) = patch.apply(one, &BTreeMap::new()).unwrap();
        assert_eq!(
            (after.init_script, after.distro.as_deref()),
            (None, Some("arch-linux"))
        );
        assert_eq!(after.options.skills, ["s"]);
    }

    #[test]
    fn what_is_more_than_a_directory_is_not_made() {
        let of = |kind: Option<&str>, template: Said<String>| {
            let patch = WorkspacePatch {
                kind: kind.map(str::to_owned),
                template,
                ..WorkspacePatch::default()
            };
            patch
                .apply(blank(), &BTreeMap::new())
                .map_err(|error| error.code())
        };
        assert!(of(Some("host"), Some(None)).is_ok());
        for kind in ["container", "chroot"] {
            assert_eq!(of(Some(kind), None).unwrap_err(), "container_unsupported");
        }
        let template = of(None, Some(Some("t".into())));
        assert_eq!(template.unwrap_err(), "container_unsupported");
        assert_eq!(of(Some("vm"), None).unwrap_err(), "bad_field");
    }
}
