//! Words that are written onto a name without a space to look official: "claudeai", "myclaude".

use std::sync::LazyLock;

use super::characters::letters;

/// Those before it, in the form in which look-alikes are equal.
pub(super) static BEFORE: LazyLock<Vec<String>> = LazyLock::new(|| read(BEFORE_WRITTEN));

/// Those behind it, in the same form.
pub(super) static BEHIND: LazyLock<Vec<String>> = LazyLock::new(|| read(BEHIND_WRITTEN));

const BEFORE_WRITTEN: &str =
    "ai ask chat for from get hey join login mcp my new official real secure team the try use verified with your";

const BEHIND_WRITTEN: &str = "\
    account agent agents ai android api app apps assistant auth beta bot browser business chat chrome cli client cloud code com companion \
    connector copilot desktop dev enterprise everyone extension for free from gateway gpt helper hq hub ide inc integration io ios labs \
    llm login mac max mcp mobile oauth official online org plugin plus portal preview pro proxy remote sdk secure security server \
    service services studio support sync team teams tool tools ui verified verify web windows with work \
    workspace";

fn read(words: &str) -> Vec<String> {
    words.split_whitespace().map(letters).collect()
}
