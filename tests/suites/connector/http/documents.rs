//! Configurations in the documents can be used as they are.

use sexton_core::config;

const DOCUMENTS: [(&str, &str); 2] = [
    ("presets.md", include_str!("../../../../docs/presets.md")),
    ("connectors.md", include_str!("../../../../docs/connectors.md")),
];

fn blocks(document: &str) -> Vec<&str> {
    document.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_preset_loads() {
    let (name, document) = DOCUMENTS[0];
    let presets = blocks(document);
    assert_eq!(presets.len(), document.matches("\n## ").count(), "one a system");
    for preset in presets {
        let text = format!("[database]\nurl = \"postgres://app@localhost/app\"\n{preset}");
        let config = config::parse(name, &text, |name| Some(format!("of-{name}")))
            .unwrap_or_else(|why| panic!("{why}\n{preset}"));
        assert!(!config.resources.is_empty());
        let shown = format!("{config:?}");
        assert!(!shown.contains("of-STRIPE_KEY") && !shown.contains("SECRET"), "{shown}");
    }
}

#[test]
fn documented_ways_to_verify_load() {
    let (name, document) = DOCUMENTS[1];
    let ways = blocks(document).concat();
    let ways: Vec<_> = ways.lines().filter(|line| line.starts_with("verify = ")).collect();
    assert_eq!(ways.len(), 2);
    for way in ways {
        let text = format!(
            "[database]\nurl = \"postgres://app@localhost/app\"\n[resources.r]\ntable = \"r\"\nkey = \"id\"\n\
             marker = {{ column = \"d\" }}\n[[resources.r.targets]]\nname = \"t\"\nkind = \"http\"\n\
             url = \"https://h.example/{{x}}\"\n{way}\n"
        );
        let config = config::parse(name, &text, |_| None).unwrap();
        let resource = config.resources.values().next().unwrap();
        assert!(resource.targets[0].is_verified());
        let column = if way.contains("crm_id") { "crm_id" } else { "id" };
        assert_eq!(resource.ref_columns(), [column], "kept, so that the twin can be looked for later");
        assert!(resource.payload_columns().contains(&"x".to_owned()), "captured for the call");
    }
}
