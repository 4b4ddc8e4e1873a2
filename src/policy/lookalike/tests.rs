//! Names that read as others, and names that only look as if they did.

use super::*;

#[test]
fn whatever_is_written_onto_a_name_is_taken_off() {
    for protected in ["Claude", "mmm", "wwwwww", "rnrnrn"] {
        for name in [format!("{protected}connector"), format!("x {protected} y"), protected.replace('w', "vv")] {
            assert!(holds(&name, protected), "{name}");
        }
    }
}

fn holds(name: &str, protected: &str) -> bool {
    let holds = Lookalike::of(protected).is_in(&Readings::of(name), &[]);
    assert_eq!(holds, readings(name).contains(&reading(protected)), "{name}, {protected}");
    holds
}

#[test]
fn what_reads_as_the_name_is_found() {
    for name in [
        "Claude",
        "CLAUDE",
        "claude",
        "  Claude  ",
        "Claude Code",
        "Official Claude",
        "Claude's helper",
        "ClaudeCode",
        "MyClaude",
        "Claude4",
        "Claude-3.5",
        "C l a u d e",
        "C.l.a.u.d.e",
        "C_laude",
        "Clau de",
        "Cl4ude",
        "C1aude",
        "CIaude",
        "C|aude",
        "Cl@ude",
        "(laude",
        "[laude",
        "Cl^ude",
        "clauꝺe",
        "loginclaude",
        "Claude!",
        "Clаude",
        "Ϲlаudе",
        "Ｃｌａｕｄｅ",
        "𝒞𝓁𝒶𝓊𝒹ℯ",
        "Ⓒⓛⓐⓤⓓⓔ",
        "🅒🅛🅐🅤🅓🅔",
        "🇨🇱🇦🇺🇩🇪",
        "ᴄʟᴀᴜᴅᴇ",
        "ᶜˡᵃᵘᵈᵉ",
        "Cl\u{200b}aude",
        "Cl\u{ad}aude",
        "Cláude",
        "C\u{336}l\u{336}a\u{336}u\u{336}d\u{336}e\u{336}",
        "Claude🤖",
        "claudeai",
        "myclaude",
        "CLAUDEOFFICIAL",
        "cIaudeapp",
        "C\u{23b8}aude",
        "C\u{258f}aude",
        "C\u{23d0}aude",
        "C\u{a6}aude",
        "C\u{fe31}aude",
        "\u{20ac}laude",
        "Claud\u{20ac}",
    ] {
        assert!(holds(name, "Claude"), "{name}");
    }
}

#[test]
fn what_merely_shares_letters_is_not() {
    for name in [
        "Claudette",
        "Claudel",
        "Jean-Claudel",
        "Claudia",
        "Cloud",
        "Include",
        "Cursory Reader",
        "Precursor",
        "My MCP Client",
    ] {
        assert!(!holds(name, "Claude") && !holds(name, "Cursor"), "{name}");
    }
}

#[test]
fn a_name_of_several_words_is_found_however_it_is_spaced() {
    for (name, protected) in [
        ("VSCode", "VS Code"),
        ("vs-code", "VS Code"),
        ("VS Code Insiders", "VS Code"),
        ("Chat GPT", "ChatGPT"),
        ("chatgpt helper", "ChatGPT"),
        ("GEMINI", "Gemini"),
        ("Gernini", "Gemini"),
        ("GEMlNI", "Gemini"),
        ("Lm studio", "LM Studio"),
    ] {
        assert!(holds(name, protected), "{name}");
    }
    assert!(!holds("My SQL Coder", "SQL Code"));
}

#[test]
fn letters_that_are_drawn_alike_are_read_as_the_name() {
    for name in [
        "Claudε",
        "Claudє",
        "Claudɛ",
        "CLAUDΣ",
        "Claudǝ",
        "Ƈlaude",
        "ƈlaude",
        "Clʉude Claʉde",
        "Claμde",
        "Clauðe",
        "Clauδe",
        "CLΛUDE",
        "CLДUDE",
        "CLAЦDE",
        "CLȺUDE",
        "Ȼlaude",
        "ᑕᒪᗩᑌᗪE",
        "匚ㄥ卂ㄩᗪ乇",
        "ςɭคย๔є",
        "₵Ⱡ₳ɄĐɆ",
        "Cla∪de",
        "ᏟᏝᎪᏬᎴᏋ",
        "ꉓ꒒ꍏꀎꀸꍟ",
        "cℓαυ∂є",
        "日本Claude",
        "Claude版",
        "Claude山",
        "CLAUDE™",
        "Claude×Tools",
        "Claude†",
        "ClaudeЯус",
        "Claudꭼ",
        "ꮯꮮꭺude",
        "𐔜laude",
    ] {
        assert!(holds(name, "Claude"), "{name}");
    }
    for name in ["ChatGPτ", "ChatGPт", "ChaтGPT", "Cнatgpt", "CнatGPT", "ChatGP†", "Chat6PT", "Chat9PT"] {
        assert!(holds(name, "ChatGPT"), "{name}");
    }
    for (name, protected) in [
        ("Codeχ", "Codex"),
        ("С○dex", "Codex"),
        ("Code×", "Codex"),
        ("Cursoя", "Cursor"),
        ("ОpeпAI", "OpenAI"),
        ("OpeиAI", "OpenAI"),
        ("Miѕтral", "Mistral"),
        ("мistral", "Mistral"),
        ("Gitнub Copilot", "GitHub Copilot"),
        ("GitHuв Copilot", "GitHub Copilot"),
        ("GitHuß Copilot", "GitHub Copilot"),
        ("GitHuβ Copilot", "GitHub Copilot"),
    ] {
        assert!(holds(name, protected), "{name}");
    }
}

#[test]
fn letters_with_a_hook_or_a_stroke_and_raised_ones_are_read_as_the_name() {
    for (name, protected) in [
        ("Curſor", "Cursor"),
        ("Curẛor", "Cursor"),
        ("Windsurſ", "Windsurf"),
        ("CURꞄOR", "Cursor"),
        ("Cꝉaude", "Claude"),
        ("Cɬaude", "Claude"),
        ("Cᶅauᶁe", "Claude"),
        ("Clᶏude", "Claude"),
        ("Claᶙdᶒ", "Claude"),
        ("ꞔlaude", "Claude"),
        ("ꞓlaude", "Claude"),
        ("Ꞓlaude", "Claude"),
        ("Cᶫaude", "Claude"),
        ("Aᶰthropic", "Anthropic"),
        ("Anth𐞪opic", "Anthropic"),
        ("Anti𐞒ravity", "Antigravity"),
        ("AntigraƲity", "Antigravity"),
        ("Antigraᶹity", "Antigravity"),
        ("Anthrɔpic", "Anthropic"),
        ("Anthro℘ic", "Anthropic"),
        ("O℘enAI", "OpenAI"),
        ("ChaɬGPT", "ChatGPT"),
        ("ChaᏆGPT", "ChatGPT"),
        ("Chaꮖgpt", "ChatGPT"),
        ("ᏢᎬᏒᏢᏞᎬXᎥᏆᎩ", "Perplexity"),
        ("Perpleאity", "Perplexity"),
    ] {
        assert!(holds(name, protected), "{name}");
    }
}

#[test]
fn names_of_other_languages_are_not_read_as_others() {
    for name in [
        "Клод",
        "Курсор",
        "Кодекс",
        "Яндекс Почта",
        "Моя Страница",
        "Κλαυδία",
        "Ελληνική Τράπεζα",
        "Ωμέγα",
        "Straße",
        "Größe",
        "Đặng Thị Ngọc",
        "Ağaç İşleri",
        "Þórður",
        "Sigurðsson",
        "Æther",
        "北京千山科技",
        "口コミ",
        "ร้านกาแฟ",
        "Աննա",
        "საქართველო",
        "ᐃᓄᒃᑎᑐᑦ",
        "C++ Tools",
        "Météo",
        "Łódź",
        "Đakovo",
        "Ɛʋegbe Agbalẽ",
        "Ɔkɔfo Bɔɔso",
        "Ƙasar Hausa Ɗan Kasuwa",
        "Ɓerngal Fulɓe",
        "Ŋutinya Ŋkeke Ɖeka",
        "Əlifba Dərsləri",
        "Ħanut Għawdex",
        "Đơn Hàng Ứng Dụng",
        "Ꝺoṁnall Ua Ꞃuaiꞃc",
        "Waſſerſtraße",
        "Tłı̨chǫ Yatıì",
        "Łįį́ʼ Diné",
        "ɬanɪd ˈkʰɔːrsə",
        "ⱪelem ⱨeⱪ",
        "Orders × Invoices",
    ] {
        for protected in
            ["Claude", "Cursor", "Codex", "ChatGPT", "OpenAI", "Mistral", "Perplexity", "Anthropic", "VS Code"]
        {
            assert!(!holds(name, protected), "{name} {protected}");
        }
    }
    assert!(holds("Яндекс", "Яндекс") && holds("Мой Яндекс", "Яндекс"), "they can be protected");
}

#[test]
fn what_is_written_onto_a_name_without_a_space_is_taken_off() {
    for name in [
        "claudecli",
        "claudeapi",
        "claudeagent",
        "claudeassistant",
        "claudechat",
        "claudesdk",
        "claudeserver",
        "claudedev",
        "claudehelper",
        "newclaude",
        "myclaudeapp",
        "claudemcpserver",
        "officialclaudeai",
        "getmynewclaude",
        "claudecodecli",
        "claudeforteams",
        "claudeforchrome",
        "withclaude",
        "claudeforwork",
        "claudemac",
        "claudeios",
        "claudeandroid",
        "claudeforwindows",
        "claudeworkspace",
    ] {
        assert!(holds(name, "Claude"), "{name}");
    }
    assert!(holds("chatgptplus", "ChatGPT") && holds("openaiapi", "OpenAI") && holds("cursoride", "Cursor"));
    for (name, protected) in [
        ("Newport", "Port"),
        ("Theory", "Ory"),
        ("Getting", "Ting"),
        ("Recursor", "Cursor"),
        ("Invoice", "Voice"),
        ("Claudelos\u{e9}", "Claude"),
    ] {
        assert!(!holds(name, protected), "{name}");
    }
}

#[test]
fn names_that_are_turned_are_read_from_their_end() {
    for (name, protected) in [
        ("ǝpnɐlƆ", "Claude"),
        ("ǝpnɐlɔ", "Claude"),
        ("ƎꓷՈ∀ꓶƆ", "Claude"),
        ("ǝpoƆ ǝpnɐlƆ", "Claude"),
        ("xǝpoɔ", "Codex"),
        ("ɹosɹnƆ", "Cursor"),
        ("ɹosɹnɔ lɐıɔıɟɟo", "Cursor"),
        ("I∀uǝdO", "OpenAI"),
        ("⊥ԀꓨʇɐɥƆ", "ChatGPT"),
        ("lɐɹʇsᴉW", "Mistral"),
        ("ǝpoƆ SΛ", "VS Code"),
        ("ɘbuɒlƆ", "Claude"),
        ("ɿoƨɿuƆ", "Cursor"),
        ("ɔiqoɿʜƚnA", "Anthropic"),
    ] {
        assert!(holds(name, protected), "{name}");
    }
}

#[test]
fn letters_of_several_pieces_are_read_as_one() {
    for (name, protected) in [
        ("Claucle", "Claude"),
        ("clauclecode", "Claude"),
        ("Claucle Code", "Claude Code"),
        ("Clau cle", "Claude"),
        ("Сlauсlе", "Claude"),
        ("claucIe", "Claude"),
        ("Clauc1e", "Claude"),
        ("Clauc|e", "Claude"),
        ("daude", "Claude"),
        ("daude ai", "Claude"),
        ("coclex", "Codex"),
        ("cliscord", "Discord"),
        ("cliscorcl", "Discord"),
        ("doudflare", "Cloudflare"),
        ("Arithropic", "Anthropic"),
        ("Gennini", "Gemini"),
        ("Cl/\\ude", "Claude"),
        ("Clau|)e", "Claude"),
        ("Cla|_|de", "Claude"),
        ("C()dex", "Codex"),
        ("🆑aude", "Claude"),
        ("🆑AUDE 🆗", "Claude"),
        ("🆚 Code", "VS Code"),
        ("🆚🅲🅾🅳🅴", "VS Code"),
        ("Clæude", "Claude"),
        ("ClÆude", "Claude"),
        ("Claudæ", "Claude"),
        ("Claudœ", "Claude"),
        ("Clꜳude", "Claude"),
        ("Clꜷde", "Claude"),
        ("Cursœr", "Cursor"),
        ("Cꝏdex", "Codex"),
        ("Perplexitĳ", "Perplexity"),
        ("Clauȸe", "Claude"),
        ("Anthro🆊ic", "Anthropic"),
        ("Clau🆥e", "Claude"),
    ] {
        assert!(holds(name, protected), "{name}");
    }
}

#[test]
fn what_looks_like_other_letters_only_with_good_will_is_not_read_as_another_name() {
    for (name, protected) in [
        ("Clover", "Dover"),
        ("Clocker", "Docker"),
        ("clash", "Dash"),
        ("Anna", "Ama"),
        ("dip board", "Clip"),
        ("Daude", "Claude"),
        ("Include", "Claude"),
        ("music circle dance", "Claude"),
        ("Æther Æon", "Claude"),
        ("Œuvre", "Cursor"),
        ("Åse Næss", "Anthropic"),
        ("ᚠᚢᚦᚨᚱᚲ", "Cursor"),
        ("A/B Testing", "Claude"),
        ("Orders | Invoices", "Codex"),
        ("Ɛʋe ɔdɔ", "Codex"),
        ("əlifba", "Claude"),
        ("Ǝsas ɔkɔ", "Cursor"),
        ("🆕 Orders 🆓", "Codex"),
        ("Ежедневник", "Cursor"),
    ] {
        assert!(!holds(name, protected), "{name}");
    }
}

#[test]
fn another_protected_name_written_onto_it_hides_nothing() {
    let protected = ["OpenAI", "ChatGPT", "Claude"].map(Lookalike::of);
    for name in ["openaichatgpt", "chatgptopenai", "myopenaichatgptapp"] {
        let readings = Readings::of(name);
        let found: Vec<bool> = protected.iter().map(|one| one.is_in(&readings, &protected)).collect();
        assert_eq!(found, [true, true, false], "{name}");
    }
}

#[test]
fn a_long_name_costs_little() {
    assert!(!holds(&"a B ".repeat(64), "Claude"));
}

/// Alphabets, a to z, of generators of fancy text and of look-alike domains.
const FANCY: [&str; 38] = [
    "ᚨᛒᚲᛞᛖᚠᚷᚺᛁᛃᚴᛚᛗᚾᛟᛈᛩᚱᛊᛏᚢᚡᚹᛪᚤᛉ",
    "ᚪᛒᚳᛑᛖᚠᚷᚻᛁᛃᛕᛚᛗᚾᚩᛈᛩᚱᛋᛏᚢᚡᚹᛪᚣᛉ",
    "卂乃匚ᗪ乇千Ꮆ卄丨ﾌҜㄥ爪几ㄖ卩Ɋ尺丂ㄒㄩᐯ山乂ㄚ乙",
    "αв¢∂єƒgнιנкℓмησρqяѕтυνωχуz",
    "αßςdεƒghïյκlmηopqrš†uvωxψz",
    "Λɓ¢ɗɛƒɠɦɨjҟℓɱɲøρqʀꜱτʊʋωxψʑ",
    "₳฿₵ĐɆ₣₲ⱧłJ₭Ⱡ₥₦Ø₱QⱤ₴₮ɄV₩ӾɎⱫ",
    "ǟɮƈɖɛʄɢɦɨʝӄʟʍռօքզʀֆȶʊʋաӼʏʐ",
    "ᏗᏰፈᎴᏋᎦᎶᏂᎥᏠᏦᏝᎷᏁᎧᎮᎤᏒᏕᏖᏬᏉᏇጀᎩፚ",
    "ꍏꌃꉓꀸꍟꎇꁅꃅꀤꀭꀘ꒒ꂵꈤꂦꉣꆰꋪꌗ꓄ꀎꃴꅏꊼꌩꁴ",
    "ꋬꃳꉔ꒯ꏂꊰꍌꁝ꒐꒻ꀘ꒒ꂵꋊꄲꉣꆰꋪꇙ꓄꒤꒦ꅐꉧꌦꁴ",
    "ДБCDΞFGHIJҜLMИФPǪЯSΓЦVЩЖУZ",
    "ΛBᄃDΣFGΉIJKᄂMПӨPQЯƧƬЦVЩXYZ",
    "αႦƈԃҽϝɠԋιʝƙʅɱɳσρϙɾʂƚυʋɯxყȥ",
    "åβçď£ƒǥȟïĵķłɱñ¤þqřš†µvŵẋýž",
    "ÃβČĎẸƑĞĤĮĴЌĹМŃŐРQŔŚŤÚVŴЖŶŹ",
    "ӐҔҀԀӖҒԌӉӀЈҠԼӍИӦҎҨЯЅҬЏѴѠӾӲՀ",
    "ⱥƀȼđɇƒǥħɨɉꝁłmꞥøᵽꝗɍꞩŧʉvwxɏƶ",
    "ȺɃȻĐɆFǤĦƗɈꝀŁMNØⱣꝖɌSŦɄVWXɎƵ",
    "ค๒ς๔єŦﻮђเןкl๓ภ๏קợгรtยשฬץאz",
    "ąҍçժҽƒցհìʝҟӀʍղօքզɾʂէմѵաxվՀ",
    "ạḃċḍẹḟġḥịjḳḷṃṇọṗqṛṣṭụṿẉẋỵẓ",
    "🅰🅱🅲🅳🅴🅵🅶🅷🅸🅹🅺🅻🅼🅽🅾🅿🆀🆁🆂🆃🆄🆅🆆🆇🆈🆉",
    "ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ",
    "𝒶𝒷𝒸𝒹ℯ𝒻ℊ𝒽𝒾𝒿𝓀𝓁𝓂𝓃ℴ𝓅𝓆𝓇𝓈𝓉𝓊𝓋𝓌𝓍𝓎𝓏",
    "🄰🄱🄲🄳🄴🄵🄶🄷🄸🄹🄺🄻🄼🄽🄾🄿🅀🅁🅂🅃🅄🅅🅆🅇🅈🅉",
    "⒜⒝⒞⒟⒠⒡⒢⒣⒤⒥⒦⒧⒨⒩⒪⒫⒬⒭⒮⒯⒰⒱⒲⒳⒴⒵",
    "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘǫʀsᴛᴜᴠᴡxʏᴢ",
    "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖqʳˢᵗᵘᵛʷˣʸᶻ",
    "ₐbcdₑfgₕᵢⱼₖₗₘₙₒₚqᵣₛₜᵤᵥwₓyz",
    "4bcd3f6h1jklmn0pqr57uvwxyz",
    "@8cd3f9h!jklmn0pqr$7uvwxyz",
    "ăƅčďĕƒğĥĩĵĸĺɱňŏƥqŕŝţŭʋŵχŷƶ",
    "ǎɓċđęḟģħįǰķļṃņőṕqŗşťűṽẃẍÿż",
    "ȧḅĉḋėƒĝḫĭɉḵľḿǹȯṗʠȓșŧūᴠẁẋýẕ",
    "ɑʙƈɖɇƒɡɦɩʝᴋɫᴍꞑᴏƿqʀꜱƫᴜᶌᴡxʏᴢ",
    "ąცƈɖɛʄɠɧıʝƙƖɱŋơ℘զཞʂɬų۷ῳҳყʑ",
    "ลცςđєŦﻮђเןкɭ๓ภ๏קợгรՇยשฬאץz",
];

#[test]
fn alphabets_of_generators_spell_the_name() {
    for alphabet in FANCY {
        let drawn: Vec<char> = alphabet.chars().collect();
        assert_eq!(drawn.len(), 26, "{alphabet}");
        for protected in
            ["claude", "chatgpt", "openai", "cursor", "codex", "mistral", "perplexity", "anthropic", "vscode"]
        {
            let in_fancy = |letter: u8| drawn[usize::from(letter - b'a')];
            let all: String = protected.bytes().map(in_fancy).collect();
            assert!(Lookalike::of(protected).is_in(&Readings::of(&all), &[]), "{all}");
            for (index, letter) in protected.bytes().enumerate() {
                let one = format!("{}{}{}", &protected[..index], in_fancy(letter), &protected[index + 1..]);
                assert!(Lookalike::of(protected).is_in(&Readings::of(&one), &[]), "{one}");
            }
        }
    }
}

#[test]
fn a_mark_that_is_drawn_as_a_letter_is_read_as_one() {
    for mark in ['\u{c02}', '\u{c82}', '\u{d02}', '\u{d82}'] {
        assert!(holds(&format!("C{mark}dex"), "Codex"), "{mark:?}");
        assert!(holds(&format!("{mark}penAI"), "OpenAI"), "{mark:?}");
    }
    for name in ["C\u{301}dex", "తెలుగు యాప్", "సంస్థ Cdex", "ಕಂಪನಿ"] {
        assert!(!holds(name, "Codex"), "{name}");
    }
    assert!(holds("సంస్థ Codex", "Codex"));
}
