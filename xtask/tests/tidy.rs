//! Rules that no compiler checks: the layering, where unsafe code may be, sizes of files, and words
//! that must not be left behind.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn rust_files() -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                walk(&path, found);
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    assert!(found.len() > 30, "the walk found only {} files", found.len());
    found
}

/// The names in the `[dependencies]` sections of a manifest.
fn dependencies(krate: &str) -> Vec<String> {
    let manifest = read(&root().join(krate).join("Cargo.toml"));
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == "[dependencies]";
        } else if let Some((name, _)) = line.split_once(['.', '=']).filter(|_| inside) {
            names.push(name.trim().to_owned());
        }
    }
    names
}

#[test]
fn crates_import_downward_only() {
    let local = [
        "shm-core",
        "slotmap-shm",
        "avl-snapshot",
        "shm-facade",
        "shm-cli",
        "shm-capi",
        "shm-python",
    ];
    for (krate, allowed) in [
        ("crates/shm-core", &[][..]),
        ("crates/avl-snapshot", &[][..]),
        ("crates/slotmap-shm", &["shm-core"][..]),
        ("crates/shm-facade", &["shm-core", "slotmap-shm", "avl-snapshot"][..]),
        ("crates/shm-cli", &["shm-core", "slotmap-shm", "avl-snapshot", "shm-facade"][..]),
        ("crates/shm-capi", &["shm-facade"][..]),
        ("crates/shm-python", &["shm-core", "slotmap-shm", "avl-snapshot", "shm-facade"][..]),
        ("xtask", &[][..]),
        ("tests/harness", &[][..]),
    ] {
        for dependency in dependencies(krate) {
            let fine =
                !local.contains(&dependency.as_str()) || allowed.contains(&dependency.as_str());
            assert!(fine, "{krate} must not import {dependency}");
        }
    }
}

#[test]
fn library_crates_stay_light() {
    for krate in ["shm-core", "slotmap-shm", "avl-snapshot", "shm-facade", "shm-capi"] {
        for heavy in ["clap", "serde", "tokio", "anyhow", "nix"] {
            let found = dependencies(&format!("crates/{krate}"));
            assert!(!found.iter().any(|d| d == heavy), "{krate} must not need {heavy}");
        }
    }
    // The pthread mutex is shm-core's alone, and so are files and mappings.
    for krate in ["slotmap-shm", "avl-snapshot", "shm-facade", "shm-cli", "shm-capi"] {
        for low in ["libc", "rustix", "memmap2"] {
            let found = dependencies(&format!("crates/{krate}"));
            assert!(!found.iter().any(|d| d == low), "{krate} must not need {low}");
        }
    }
}

#[test]
fn the_extension_module_needs_no_python_to_build() {
    let manifest = read(&root().join("crates/shm-python/Cargo.toml"));
    for line in ["publish = false", "test = false", "doctest = false", "crate-type = [\"cdylib\"]"]
    {
        assert!(manifest.lines().any(|l| l == line), "shm-python lacks `{line}`");
    }
    let workspace = read(&root().join("Cargo.toml"));
    let pyo3 = workspace.lines().find(|l| l.starts_with("pyo3 = ")).unwrap();
    for feature in ["abi3-py39", "extension-module"] {
        assert!(pyo3.contains(feature), "pyo3 lacks {feature}");
    }
    // Files and locks are left to the libraries.
    for low in ["libc", "rustix", "memmap2", "nix"] {
        assert!(
            !dependencies("crates/shm-python").iter().any(|d| d == low),
            "shm-python needs {low}"
        );
    }
}

#[test]
fn unsafe_code_is_where_it_is_said_to_be() {
    // C calls the functions of these files, each of which begins with the one line of `CALL`.
    const CALL: &str = "let call = unsafe { Call::of_caller() };";
    let called_by_c = [
        "about.rs",
        "entries.rs",
        "map.rs",
        "map_follow.rs",
        "map_cursor.rs",
        "map_read.rs",
        "names.rs",
        "options.rs",
        "plain.rs",
        "table_batch.rs",
        "table_check.rs",
        "table_expiry.rs",
        "table_life.rs",
        "table_map.rs",
        "table_modify.rs",
        "table_read.rs",
        "table_wait.rs",
        "table_write.rs",
        "tree.rs",
    ];
    let border =
        ["border.rs", "cancel.rs", "current.rs", "exclusive.rs", "handles.rs", "places.rs"];
    let allowed = [
        "alive.rs",
        "clock.rs",
        "file_map.rs",
        "fork.rs",
        "futex.rs",
        "in_place.rs",
        "lease.rs",
        "map.rs",
        "mutex.rs",
        "published.rs",
    ];
    for path in rust_files() {
        if !path.starts_with(root().join("crates")) {
            continue;
        }
        let text = read(&path);
        let capi = path.starts_with(root().join("crates/shm-capi/src"));
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_called = capi && called_by_c.contains(&name.as_str());
        let has = text.lines().any(|l| {
            let code = l.split("//").next().unwrap_or("");
            // A comment beside the type says why any bytes are a value of it.
            if is_called && (code.trim() == CALL || code.starts_with("unsafe impl Plain for ")) {
                return false;
            }
            code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl")
        });
        let fine = path.starts_with(root().join("crates/shm-core"))
            && allowed.contains(&name.as_str())
            || path.ends_with("avl-snapshot/src/image/sse2.rs")
            || path.ends_with("avl-snapshot/src/image/neon.rs")
            // A promise each: `InPlace`.
            || path.ends_with("shm-cli/src/maps/target.rs")
            || path.ends_with("shm-python/src/arguments.rs")
            || path.ends_with("shm-facade/examples/publish.rs")
            || path.starts_with(root().join("crates/shm-core/tests"))
            || path.ends_with("shm-cli/src/startup.rs")
            || path.ends_with("shm-python/src/fast.rs")
            || path.ends_with("shm-python/src/attached.rs")
            || path.ends_with("shm-python/src/interpreter.rs")
            || capi && border.contains(&name.as_str());
        assert!(!has || fine, "unsafe code in {}", path.display());
    }
}

#[test]
fn no_file_is_too_long_and_nothing_is_left_behind() {
    // Split, so that this file does not find itself.
    let markers = [
        concat!("todo", "!"),
        concat!("unimpl", "emented!"),
        concat!("FIX", "ME"),
        concat!("dbg", "!("),
    ];
    for path in rust_files() {
        let text = read(&path);
        let lines = text.lines().count();
        let said = format!("{} has {lines} lines", path.display());
        assert!(lines <= 500, "{said}: split it by idea");
        for marker in markers {
            assert!(!text.contains(marker), "{} contains {marker}", path.display());
        }
    }
}

/// One name must not mean two things. The meaning of `get` on a handle must not depend on whether
/// the call reaches the handle or the value that it dereferences to.
#[test]
fn no_handle_is_dereferenced_to_another() {
    let named = [
        // Owned bytes are bytes.
        ("slotmap-shm", "Value"),
        ("avl-snapshot", "AlignedBytes"),
        ("avl-snapshot", "Piece"),
        // Whoever may store may load. `slice`, which both have, gives the same words.
        ("shm-core", "Words<'a>"),
        ("shm-core", "WritableSegment"),
        // A map is read by the calls of its snapshot. It adds those of its name, under other names.
        ("shm-facade", "SharedMap"),
    ];
    let mut found = Vec::new();
    for krate in ["shm-core", "slotmap-shm", "avl-snapshot", "shm-facade", "shm-capi"] {
        let src = root().join("crates").join(krate).join("src");
        for path in rust_files().into_iter().filter(|path| path.starts_with(&src)) {
            let text = read(&path);
            let code = text.lines().map(|line| line.split("//").next().unwrap());
            let heads = code.filter_map(|line| {
                line.split_once("Deref for ").or_else(|| line.split_once("DerefMut for "))
            });
            found.extend(
                heads.map(|(_, rest)| (krate, rest.trim_end_matches([' ', '{']).to_owned())),
            );
        }
    }
    let found: Vec<_> = found.iter().map(|(krate, name)| (*krate, name.as_str())).collect();
    for handle in &found {
        assert!(named.contains(handle), "{handle:?} implements Deref");
    }
    for name in &named {
        assert!(found.contains(name), "{name:?} does not implement Deref: name it no longer");
    }
}

#[test]
fn the_protocol_cannot_be_broken_by_a_feature() {
    for krate in ["shm-core", "slotmap-shm", "shm-facade", "shm-capi"] {
        let manifest = read(&root().join("crates").join(krate).join("Cargo.toml"));
        assert!(!manifest.contains("[features]"), "{krate} has features");
        assert!(!manifest.contains("shm_negative_control"), "{krate} names the negative control");
    }
    let config = read(&root().join(".cargo/config.toml"));
    assert!(!config.contains("shm_negative_control"));
}

/// The source of the `libc` crate that this workspace uses.
fn source_of_libc() -> PathBuf {
    let mut metadata = std::process::Command::new(env!("CARGO"));
    metadata.args(["metadata", "--format-version", "1"]).current_dir(root());
    let output = metadata.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut packages = metadata["packages"].as_array().unwrap().iter();
    let libc =
        packages.find(|p| p["name"] == "libc" && p["version"].as_str() > Some("0.2.")).unwrap();
    Path::new(libc["manifest_path"].as_str().unwrap()).parent().unwrap().join("src")
}

/// This is cheaper than a build, and needs no standard library of another target.
#[test]
fn names_of_libc_are_there_with_musl_too() {
    let source = source_of_libc();
    let mut defined = String::new();
    let mut dirs = vec![
        "new/common",
        "new/linux_uapi",
        "new/musl",
        "unix/linux_like/linux/arch/generic",
        "unix/linux_like/linux/musl",
    ];
    for file in [
        "primitives.rs",
        "types.rs",
        "unix/mod.rs",
        "unix/linux_like/mod.rs",
        "unix/linux_like/linux_l4re_shared.rs",
        "unix/linux_like/linux/mod.rs",
    ] {
        // Which of these exist depends on the version.
        defined += &std::fs::read_to_string(source.join(file)).unwrap_or_default();
    }
    dirs.retain(|dir| source.join(dir).is_dir());
    let mut dirs: Vec<PathBuf> = dirs.into_iter().map(|dir| source.join(dir)).collect();
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { defined += &read(&path) }
        }
    }
    let words: std::collections::HashSet<&str> =
        defined.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    // This constant exists for glibc only: if the walk finds it, it finds too much.
    assert!(!words.contains("MADV_COLLAPSE") && words.contains("madvise"));
    let mut count = 0;
    for path in rust_files().iter().filter(|p| p.starts_with(root().join("crates/shm-core/src"))) {
        let text = read(path);
        for rest in text.split("libc::").skip(1) {
            let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
            count += 1;
            let fine = name.is_empty() || words.contains(name);
            assert!(fine, "{} uses libc::{name}, which musl has not", path.display());
        }
    }
    assert!(count >= 50, "only {count} names were found");
}

/// The paths at the start of a text: one path, or all paths that a group in braces stands for.
fn paths(text: &str) -> Vec<String> {
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let (head, rest) = text.split_at(text.find(|c| !is_path(c)).unwrap_or(text.len()));
    let of_group = head.is_empty() || head.ends_with("::");
    let Some(group) = rest.strip_prefix('{').filter(|_| of_group) else {
        return vec![head.to_owned()];
    };
    let (mut found, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            ',' | '}' if depth == 0 => {
                let members = paths(group[start..at].trim());
                found.extend(members.iter().map(|member| format!("{head}{member}")));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    found
}

#[test]
fn a_group_of_imports_is_taken_apart() {
    let all = ["a::X", "b::c::Y", "b::self", "d"];
    assert_eq!(paths("{a::X, b::{c::Y, self},\n    d};\nuse e::{f}"), all);
    assert_eq!(paths("a::X;"), ["a::X"]);
    assert_eq!(paths("A {"), ["A"]);
}

/// The file that a path from a directory leads to: the file of a module, or the `mod.rs` of a
/// folder.
fn file_of(dir: &Path, path: &str) -> Option<PathBuf> {
    let mut at = dir.to_owned();
    let mut door = None;
    for part in path.split("::").filter(|part| !part.is_empty()) {
        let (leaf, room) = (at.join(format!("{part}.rs")), at.join(part));
        if leaf.is_file() {
            return Some(leaf);
        }
        if room.join("mod.rs").is_file() {
            (door, at) = (Some(room.join("mod.rs")), room);
        } else if part == "super" {
            at.pop();
        } else if part != "self" {
            break;
        }
    }
    door
}

/// The files of its crate that a file imports, outside of its tests. Imports may be paths from the
/// root of the crate, from the file itself or from the folder around it.
fn imports(src: &Path, file: &Path) -> Vec<PathBuf> {
    let is_root = |name: &str| ["lib.rs", "main.rs", "mod.rs"].contains(&name);
    let name = file.file_name().unwrap().to_string_lossy();
    let dir = file.parent().unwrap();
    let of_children =
        if is_root(&name) { dir.to_owned() } else { dir.join(file.file_stem().unwrap()) };
    let above = if is_root(&name) { dir.parent().unwrap() } else { dir };
    let text = read(file);
    let code = text.split("\nmod tests {").next().unwrap();
    let lines = code.lines().map(|line| line.split("//").next().unwrap());
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for (start, dir) in
        [("crate::", src), ("super::", above), ("self::", &of_children), ("use ", &of_children)]
    {
        for (at, _) in code.match_indices(start) {
            // Not the middle of a longer path or word.
            if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                let paths = paths(&code[at + start.len()..]);
                found.extend(paths.iter().filter_map(|path| file_of(dir, path)));
            }
        }
    }
    // What a file declares it may also name without importing it.
    let declared = code.lines().filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';'));
    for module in declared {
        let path = format!("{module}::");
        let mut names = code.match_indices(&path);
        let named = names.any(|(at, _)| {
            !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
        });
        found.extend(file_of(&of_children, module).filter(|_| named));
    }
    found.retain(|import| import != file);
    found
}

/// Files that import each other, directly or through others, each with all files that it reaches.
fn circles(src: &Path) -> Vec<String> {
    let files = rust_files();
    let files: Vec<_> = files.iter().filter(|file| file.starts_with(src)).collect();
    let mut found = Vec::new();
    for file in &files {
        let mut reached = std::collections::BTreeSet::new();
        let mut next = imports(src, file);
        while let Some(file) = next.pop() {
            if reached.insert(file.clone()) {
                next.extend(imports(src, &file));
            }
        }
        if reached.contains(*file) {
            found.push(file.strip_prefix(src).unwrap().display().to_string());
        }
    }
    found
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for (krate, named) in [
        ("shm-core", &[][..]),
        ("slotmap-shm", &[]),
        ("avl-snapshot", &[]),
        ("shm-facade", &[]),
        ("shm-capi", &[]),
        ("shm-cli", &[]),
        ("shm-python", &[]),
    ] {
        let mut found = circles(&root().join("crates").join(krate).join("src"));
        found.retain(|file| !named.contains(&file.as_str()));
        assert!(found.is_empty(), "{krate}: these files are in a circle: {found:?}");
    }
}

#[test]
fn rooms_import_downward_only() {
    let of_segment = ["os", "segment", "sync.rs", "error", "name.rs", "namespace.rs", "refused.rs"];
    let leaves = [
        "any_key.rs",
        "bytes.rs",
        "encoded_keys.rs",
        "error.rs",
        "geometry.rs",
        "key.rs",
        "key_kind.rs",
        "observer.rs",
        "options.rs",
        "sabotage.rs",
        "tries.rs",
        "value.rs",
    ];
    let of_verbs = ["arguments.rs", "escape.rs", "failure.rs", "startup.rs"];
    let under = |rooms: &[&'static str]| [&leaves, rooms].concat();
    let mut count = 0;
    for (krate, rooms, allowed) in [
        ("shm-core", &["os"][..], vec!["os", "sync.rs", "sabotage.rs"]),
        ("shm-core", &["segment"], [&of_segment[..], &["sabotage.rs"]].concat()),
        ("slotmap-shm", &leaves, leaves.to_vec()),
        ("slotmap-shm", &["layout.rs"], leaves.to_vec()),
        ("slotmap-shm", &["levels.rs"], under(&["layout.rs"])),
        ("slotmap-shm", &["protocol"], under(&["layout.rs", "levels.rs", "protocol"])),
        (
            "slotmap-shm",
            &["table/handle.rs"],
            under(&["layout.rs", "levels.rs", "protocol", "table/oldest.rs"]),
        ),
        ("shm-cli", &["arguments.rs"], of_verbs[1..].to_vec()),
        ("shm-cli", &["maps"], [&of_verbs[..], &["maps"]].concat()),
        ("shm-cli", &["files"], [&of_verbs[..], &["files", "maps/key.rs"]].concat()),
        ("shm-cli", &["output"], [&of_verbs[..], &["output"]].concat()),
    ] {
        let src = root().join("crates").join(krate).join("src");
        let files = rust_files();
        for file in files.iter().filter(|file| rooms.iter().any(|r| file.starts_with(src.join(r))))
        {
            for import in imports(&src, file) {
                count += 1;
                let shown = import.strip_prefix(&src).unwrap();
                let fine = allowed.iter().any(|room| shown.starts_with(room));
                assert!(fine, "{} must not import {}", file.display(), shown.display());
            }
        }
    }
    assert!(count >= 150, "only {count} imports were found");
}
