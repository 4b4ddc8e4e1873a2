//! What leads on, and the ordinary queries and paths beside it.

use super::*;

fn leads_on(rest: &str) -> bool {
    let known = |destination: Destination<'_>| match destination {
        Destination::Host(host) => ["app.example.com", "known.example.com"].contains(&host.to_string().as_str()),
        Destination::App(scheme, rest) => ["myapp", "com.example.app"].contains(&scheme) && rest != "//elsewhere",
    };
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    onward(&format!("/cb{path}"), query, known).is_some()
}

#[test]
fn a_path_that_begins_with_two_slashes_and_a_host_is_one_by_itself_to_a_browser() {
    for path in ["//evil.com", "//evil.com/cb", "//a@evil.com/", "//evil.co.uk:443/x", "///evil.com", "/%2Fevil.com/cb"]
    {
        assert!(path_leads_on(path), "{path}");
    }
    for path in [
        "//evil.example/cb",
        "///evil.test",
        "//127.0.0.1/",
        "//2130706433/",
        "//[::1]/",
        "//localhost/cb",
        "//x:y@evil.com",
        "//evil.com%20/",
        "//%20evil.com/",
        "//evil.com:x/",
        "//.evil.com/",
        "//localhost./",
        "//evil:80/",
        "//user@evil/",
    ] {
        assert!(path_leads_on(path), "{path}");
    }
    for path in [
        "//.auth/login/cb",
        "//2.0/cb",
        "//123",
        "//login.jspx",
        "//index.php",
        "//evil/cb",
        "//cb",
        "//callback.html",
        "//v1.0/cb",
        "/a//evil.com",
        "//oauth2/callback",
        "/com",
        "//com",
    ] {
        assert!(!path_leads_on(path), "{path}");
    }
}

#[test]
fn refuses_a_url_of_another_host() {
    for rest in [
        "?next=https://evil.example/",
        "?next=https%3A%2F%2Fevil.example",
        "?next=https%253A%252F%252Fevil.example",
        "?next=https%25253A%25252F%25252Fevil.example",
        "?a=1&next=//evil.example",
        "?next=%5c%5cevil.example",
        "?next=/%5cevil.example",
        "?next=/%2509/evil.example",
        "?next=%250a//evil.example",
        "?next=+https:evil.example",
        "?next=HTTP://evil.example",
        "?https://evil.example",
        "?https://evil.example=https://app.example.com/",
        "?https://evil.example=1",
        "?next=https://app.example.com@evil.example/",
        "?next=https://app.example.com;@evil.example/",
        "?next=https%3A%2F%2Fapp.example.com%26@evil.example",
        "/https://evil.example",
        "/https%3A//evil.example",
        "/https:/evil.example",
        "/%68ttps%3a/evil.example",
        "/go/https:evil.example",
        "/url=https:/evil.example",
        ";url=//evil.example",
        ";a=1;url=//evil.example",
        "?a=1;next=https://evil.example",
        "?next=1;//evil.example",
        "?u=x%26v%3Dhttps://evil.example",
        "?u=x%26v%3Dhttps%253A//evil.example",
        "?u=x,https://evil.example",
        "?u=https://app.example.com/,https://evil.example",
        "?u=%7B%22n%22%3A%22https://evil.example%22%7D",
        "?u=%7B'n':'https:%5C/%5C/evil.example'%7D",
        "?u=%EF%BB%BFhttps://evil.example",
        "?next=https://app.example.com/?u=a%253Dhttps://evil.example",
    ] {
        assert!(leads_on(rest), "{rest}");
    }
}

#[test]
fn a_parameter_that_names_an_api_or_a_server_leads_nowhere() {
    for rest in [
        "?resource=https://mcp.example.com/mcp",
        "?resource=https%3A%2F%2Fgraph.example.com",
        "?audience=https://api.example.com/v1&x=1",
        "?aud=https://api.example.com/",
        "?realm=https://id.example.com/a",
        "?mcp_server=https://mcp.example.net/mcp",
        "?mcpServer=https://mcp.example.net/mcp?v=2",
        "?server=https://mcp.example.net/sse",
        "?serverUrl=https%3A%2F%2Fmcp.example.net",
        "?server_uri=https://mcp.example.net/sse",
        "?mcp_server_url=https://mcp.example.net/mcp",
        "?acr=http://schemas.openid.net/pape/policies/2007/06/multi-factor",
        "?acr_values=https://refeds.org/profile/mfa",
    ] {
        assert!(!leads_on(rest), "{rest}");
    }
    for rest in [
        "?next=https://mcp.example.com/mcp",
        "?resource_url=https://evil.example/",
        "?resource=https://mcp.example.com/mcp&next=https://evil.example",
        "?resource=https://mcp.example.com/mcp;next=https://evil.example",
        "?resource=https://mcp.example.com/?next=https://evil.example",
        "?resource=https://mcp.example.com/https://evil.example",
        "?resource=https://a@evil.example/",
        "?resource=http://evil.example/",
        "?resource=//evil.example/",
        "?resource=javascript:alert(1)",
        "?server=https%253A%252F%252Fevil.example",
        "?server=https:%5C%5Cevil.example",
        "?server=https://a.example,https://evil.example",
        "?serverUrl=https://a.example/?next=https://evil.example",
        "?serverUrl=http://evil.example/",
        "?serverUrl=//evil.example/",
        "?server_link=https://evil.example/",
        "?issuer=https://id.example.net/realms/a",
        "?authorization_server=https://id.example.net",
        "?url=https://evil.example/",
        "?redirect=https://evil.example/",
        "?return_to=https://evil.example/",
    ] {
        assert!(leads_on(rest), "{rest}");
    }
}

#[test]
fn refuses_a_url_of_another_host_within_one_of_the_clients_own() {
    for rest in [
        "?next=https://app.example.com/?u=https://evil.example",
        "?next=https%3A%2F%2Fapp.example.com%2F%3Fa%3D1%26u%3Dhttps%253A%252F%252Fevil.example",
        "?next=https://app.example.com/?u=https://known.example.com/?v=https://evil.example",
        "?next=https://app.example.com/?u=https://app.example.com%2526%2540evil.example",
        "?next=https://app.example.com/%23/go?u=https://evil.example",
        "?next=https://app.example.com/go;url=//evil.example",
        "?next=https://app.example.com/go/https:/evil.example",
        "?next=/go?u=https://evil.example",
        "?next=/go%3Fu=//evil.example",
        "?next=?u=javascript:alert(1)",
    ] {
        assert!(leads_on(rest), "{rest}");
    }
    assert!(leads_on(&format!("?{}", "a=/?".repeat(500))), "too tangled to be read");
}

#[test]
fn refuses_to_lead_on_to_an_app_that_nobody_named() {
    for rest in [
        "?next=cursor://x",
        "?return_to=evilapp://cb",
        "?returnTo=evilapp%3A%2F%2Fcb",
        "?redirect_uri=com.evil.app:/oauth",
        "?redirect-url=COM.EVIL.APP:/oauth",
        "?a=1;url=evilapp://cb",
        "?u=%25%36%35vilapp://cb",
        "?deepLink=evilapp:///cb",
        "?success_url=evilapp://cb",
        "?evilapp://cb",
        "?next=/go?to=evilapp://cb",
        "?next=https://app.example.com/go?url=evilapp://cb",
        "?next=myapp://cb?url=evilapp://cb",
        "?next=myapp://cb?url=https://evil.example",
        "?next=myapp://elsewhere",
        "?redirect_uri=com.evil.app:cb",
        "?next=evil.example:8443/done",
        "?next=search-ms:query%3Dx",
        "?next=ms-msdt:-id",
        "?next=view-source:x",
    ] {
        assert!(leads_on(rest), "{rest}");
    }
    for rest in [
        "?next=myapp://home",
        "?return_to=com.example.app:/oauth/done",
        "?return_to=com.example.app:done",
        "?next=app.example.com:8443/done",
        "?about=com.example.other:done",
        "?next=https://app.example.com/go?url=myapp://cb",
        "?resource=api://1234",
        "?audience=api://1234",
        "?app_id_uri=api://1234/read",
        "?client=spiffe://example.org/billing",
        "?bucket=s3://reports/2026",
        "?repository=git+ssh://git.example.com/x",
        "?extension=chrome-extension://abcdef/x",
        "?state_hint=a:b",
        "?tenant=urn:foo",
        "?next=step:2",
        "?to=page:home",
        "?next=12:30",
        "?return=mailto:a@b.example",
        "?url=C:/dir/file.txt",
        "?flag",
        "?v:1",
    ] {
        assert!(!leads_on(rest), "{rest}");
    }
}

#[test]
fn within_a_value_a_text_leads_where_it_would_lead_as_a_parameter() {
    for rest in [
        "?data=%7B%22next%22%3A%22//evil.example%22%7D",
        "?data=%7B%22next%22%3A%22%2F%2Fevil.example%22%7D",
        "?data=%7B%22next%22%20:%20%22%5C/%5C/evil.example%22%7D",
        "?data=%7B%22next%22%3A%22%5Cu002f%5Cu002fevil.example%22%7D",
        "?data=%7B%22next%22%3A%22%252F%252Fevil.example%22%7D",
        "?data=%257B%2522next%2522%253A%2522//evil.example%2522%257D",
        "?data=%7B'next':'//evil.example'%7D",
        "?data=%7Bnext:%22//evil.example%22%7D",
        "?data=%7B%22a%22:%7B%22next%22:%22/home%22,%22b%22:[1,%22//evil.example%22]%7D%7D",
        "?data=%7B%22next%22:%22javascript:alert(1)%22%7D",
        "?data=%7B%22next%22:%22%20javascript:alert(1)%22%7D",
        "?data=%7B%22redirect_uri%22:%22evilapp://x%22%7D",
        "?data=%7B%22redirect_uri%22:%22evilapp:%5C/%5C/x%22%7D",
        "?data=%7B%22redirect_uris%22:[%22myapp://a%22,%22evilapp://x%22]%7D",
        "?next=[%22evilapp://x%22]",
        "?list=[%22//evil.example%22]",
        "?list=['//evil.example']",
        "?data=%7B%22next%22:%22/go?u=//evil.example%22%7D",
        "?data=%7B%22next%22:%22/go%3Fu=%7B%5C%22a%5C%22:%5C%22//evil.example%5C%22%7D%22%7D",
        "?data=%7B%22form%22:%22a=1%26next=//evil.example%22%7D",
        "?list=a,//evil.example",
        "?list=a,javascript:alert(1)",
        "?a=1%26next%3D//evil.example",
        "?a=1%26next%3Djavascript:alert(1)",
        "?a=1%26redirect_uri%3Devilapp://x",
        "?a=1%26//evil.example",
        "?r=next%3D%2F%2Fevil.example",
        "?r=next%3D%252F%252Fevil.example",
        "?r=next%253D%252F%252Fevil.example",
        "?r=a%3D1%3Bnext%3D//evil.example",
        "?r=a%3Db%3Dnext%3D//evil.example",
    ] {
        assert!(leads_on(rest), "{rest}");
    }
    for rest in [
        "?data=%7B%22a%22:%22x//y%22%7D",
        "?data=%7B%22a%22:%22/home%22,%22at%22:%2212:30%22,%22n%22:7%7D",
        "?data=%7B%22next%22:%22/home?tab=1%26x=/y%22%7D",
        "?data=%7B%22next%22:%22https://app.example.com/home?tab=/a%22%7D",
        "?data=%7B%22next%22:%22myapp://home%22,%22resource%22:%22api://1234%22%7D",
        "?data=%7B%22next%22:%22step:2%22,%22scope%22:[%22data:read%22,%22file:write%22]%7D",
        "?data=%7B%22text%22:%22see%20https://app.example.com%22%7D",
        "?data=%7B%22file%22:%22C:%5C%5Cdir%5C%5Cfile.txt%22%7D",
        "?data=%7B%22unfinished",
        "?filter=[%22a%22,%22b%22]",
        "?filter=[%22a/b%22,%22/c%22,%22d:e%22]",
        "?filter=name%20eq%20'a//b'",
        "?filter=status%3Dopen%26path%3D/a/b",
        "?text=it's%20a//b",
        "?text=sum%20=%20https://other.example.com",
        "?list=a//b,c//d,/e",
        "?list=data:read,file:write",
        "?accept=text/html;q=0.9,application/json;q=0.8",
        "?r=next%3D/home%26tab%3D1",
        "?r=next%3Dstep:2%26resource%3Dapi://1234",
        "?resource=api://1234%26x%3D1",
        "?share=mailto:a@b.example?subject%3DHi%26body%3Da/b",
        "?sig=ab//cd%2Bef%3D%3D",
        "?sep=,/",
    ] {
        assert!(!leads_on(rest), "{rest}");
    }
}

#[test]
fn an_ordinary_value_of_many_parts_is_not_too_tangled() {
    let pairs: Vec<String> = (0..40).map(|n| format!("key{n}=/value/{n}")).collect();
    assert!(!leads_on(&format!("?r={}", pairs.join("&").replace('&', "%26").replace('=', "%3D"))));
    let json: Vec<String> = (0..40).map(|n| format!("%22key{n}%22:%22/value/{n}%22")).collect();
    assert!(!leads_on(&format!("?data=%7B{}%7D", json.join(","))));
    let page = "/home?a=1%26b=/2%26c=3%23/top";
    assert!(!leads_on(&format!("?next={page}&then=https://app.example.com{page}")));
    let nested =
        ["https://app.example.com/a?next=", "https://known.example.com/b?next=", "https://app.example.com/c?d=/e"];
    assert!(!leads_on(&format!("?next={}", nested.concat())));
}

#[test]
fn refuses_a_path_that_is_another_host_without_its_dot_segments() {
    for rest in [
        "?next=/.//evil.com",
        "?next=/..//evil.com/x",
        "?next=/a/..//evil.com",
        "?next=..//evil.com",
        "?next=a/..//evil.com?x",
        "?next=/%252e//evil.com",
        "?next=/%5c..%5c%5cevil.com",
        "?x=/.//user@evil",
    ] {
        assert!(leads_on(rest), "{rest}");
    }
    for rest in ["?next=../home", "?next=/a/../b", "?next=..//b", "?next=/a/.//evil.com", "?next=./index.html"] {
        assert!(!leads_on(rest), "{rest}");
    }
}

#[test]
fn refuses_what_completes_a_host_when_a_page_appends_it_to_its_own() {
    for rest in [
        "?next=@evil.com",
        "?next=%40evil.com/x",
        "?return_to=.evil.com",
        "?redirect=:443@evil.com",
        "?continue=.evil.com:8443/x?y",
        "?next=/go?next=@evil.com",
        "?postLogoutRedirectUri=@evil.com",
    ] {
        assert!(leads_on(rest), "{rest}");
    }
    for rest in [
        "?next=@alice",
        "?next=.eJwN.Zx4Q.c2lnbmVk",
        "?next=.hidden",
        "?next=:8443/home",
        "?next=@app.example.com/home",
        "?next=./home",
        "?next=dashboard",
        "?next=evil.com",
        "?to=@alice.example.com",
        "?u=@alice.example.com",
        "?user=@alice.example.com",
    ] {
        assert!(!leads_on(rest), "{rest}");
    }
}

#[test]
fn a_parameter_by_any_usual_name_leads_to_no_unknown_app() {
    let names = "wreply post_logout_redirect_uri login_redirect loginRedirectUrl redir redir_url rd ru retpath location \
                 spring-security-redirect jumpto after_login";
    for name in names.split_whitespace() {
        for value in ["evilapp://cb", "com.evil.app:/x", "file:x", "https://evil.example/"] {
            assert!(leads_on(&format!("?{name}={value}")), "{name} {value}");
        }
        for value in
            ["myapp://home", "https://app.example.com/home", "/home", "eu-west:1", "12:30", "geo:1,2", "always"]
        {
            assert!(!leads_on(&format!("?{name}={value}")), "{name} {value}");
        }
    }
    assert!(!leads_on("?third=a.b:c&guru=a.b:c&allocation=a.b:c&drill=a.b:c"));
}

#[test]
fn refuses_what_runs_opens_or_starts_something() {
    for rest in [
        "?next=javascript:alert(1)",
        "?next=java%2509script:alert(1)",
        "?next=%2501javascript:alert(1)",
        "?next=data:text/html,x",
        "?next=data:text/html;base64,eA",
        "?next=data:,x",
        "?next=blob:https://evil.example/x",
        "?next=filesystem:https://evil.example/temporary/x",
        "?next=view-source:https://evil.example",
        "?next=jar:https://evil.example/a!/",
        "?next=feed:https://evil.example",
        "?next=file:///etc/passwd",
        "?next=file:/etc/passwd",
        "?next=file:%5c%5cevil.example%5cshare",
        "?next=intent:x",
        "?next=intent://x%23Intent;scheme=https;end",
        "?next=smb://evil.example/share",
        "?next=ms-msdt:/id",
        "/go/javascript:alert(1)",
        ";next=javascript:alert(1)",
        "/next=javascript:alert(1)",
        ";next=file:///etc/passwd",
    ] {
        assert!(leads_on(rest), "{rest}");
    }
}

#[test]
fn an_app_is_opened_by_its_scheme_and_a_colon_alone() {
    for rest in [
        "?redirect_uri=evilapp:cb",
        "?next=vscode:mcp/install",
        "?return_to=ms-settings:x",
        "?url=vscode:evil.ext",
        "?targetUrl=evilapp:x",
        "?next=EvilApp%3Acb",
        "?next=evilapp%253Acb",
        "?next=%20evilapp:",
        "?a=1%26redirect_uri%3Devilapp:cb",
        "?data=%7B%22redirect_uri%22:%22evilapp:cb%22%7D",
        "?next=/go?return_to=evilapp:cb",
    ] {
        assert!(leads_on(rest), "{rest}");
    }
    for rest in [
        "?state=a:b",
        "?resource=urn:x:y",
        "?t=12:30",
        "?next=12:30",
        "?next=step:2",
        "?next=localhost:3000/home",
        "?next=myapp:home",
        "?next=urn:x:y",
        "?return=mailto:a@b.example",
        "?url=C:dir",
        "?to=page:home",
        "?target=prod:eu",
        "?data=%7B%22time%22:%22a:b%22,%22at%22:%22x:y%22%7D",
        "?next=%5B%22page:read%22,%22a:b%22%5D",
    ] {
        assert!(!leads_on(rest), "{rest}");
    }
}

#[test]
fn ordinary_queries_lead_nowhere() {
    for rest in [
        "",
        "?",
        "?tenant=42&lang=de-DE",
        "?next=/home",
        "?next=%2Fhome%2Fuser",
        "?next=/home?tab=1%26x=/y%23top",
        "?next=https://app.example.com/home",
        "?next=https://app.example.com/home?tab=/a/b",
        "?next=https://app.example.com/?u=https://known.example.com/",
        "?next=https://app.example.com&login_hint=user@example.org",
        "?issuer=https%3A%2F%2Fknown.example.com%2Frealms%2Fa",
        "?x=a:b/c?d",
        "?time=12:30",
        "?date=2026-01-02T12:30:00Z",
        "?urn=urn:example:a",
        "?scope=a:b",
        "?scope=data:read+file:write+content:x",
        "?scope=file:read",
        "?resource=api://1234",
        "?to=mailto:a@b.example",
        "?to=mailto:a@b.example?subject=a/b",
        "?call=tel:+491234",
        "?at=geo:52.5,13.4",
        "?page=news:today",
        "?file=C:%5Cdir%5Cfile.txt",
        "?file=c:/dir/file.txt",
        "?user=@alice:example.org",
        "?room=%23room:example.org",
        "?text=see+https://other.example.com",
        "?text=see,+https://other.example.com",
        "?text=e.g.,+%22the+page%22+https://other.example.com",
        "?pages=/a,/b&list=a,b,c",
        "?u=x,https://app.example.com/home",
        "?json=%7B%22next%22%3A%22https://app.example.com/%22,%22at%22%3A%2212:30%22%7D",
        "?form=a%3D1%26next%3Dhttps://known.example.com/",
        "?resources=api://1234,api://5678",
        "?scopes=a:b,c:d",
        "?q=100%25&r=%2B",
        "?next=myapp://home",
        "?e=a=b==",
        "?flag",
        "/a:b",
        "/12:30",
        "/urn:example:a",
        "/@alice:example.org",
        ";v=1",
        ";v=1/a=b&c",
        "/a=b:c;d=e",
        "//evil.example",
        "?next=/a;b=c",
        "//b",
    ] {
        assert!(!leads_on(rest), "{rest}");
    }
}

#[test]
fn refuses_a_url_behind_whatever_parts_it_from_what_is_before() {
    let marks = ["%7C", "|", "~", "$", "!", "@", "%5E", "%3B", ";", "(", "%7B", "%5B", "%60", "%3C", ",", "%22", "'"];
    for mark in marks {
        for value in ["https://evil.com", "https://evil.com/x", "https%3A%2F%2Fevil.com", "HTTP://evil.com/"] {
            for before in ["x", "", "a.b-c", "https://app.example.com/home"] {
                assert!(leads_on(&format!("?ctx={before}{mark}{value}")), "{before} {mark} {value}");
            }
        }
        assert!(leads_on(&format!("?ctx=x{mark}https://app.example.com/?next=https://evil.com")), "{mark}");
        assert!(!leads_on(&format!("?ctx=x{mark}https://app.example.com/home")), "{mark}");
        assert_eq!(leads_on(&format!("?ctx=x{mark}https://app.example.com{mark}y")), mark == "@", "{mark}");
        assert!(!leads_on(&format!("?ctx=x{mark}/home{mark}y")), "{mark}");
    }
    for mark in ["%7C", "|", "~", "%5E", "%3B"] {
        assert!(leads_on(&format!("?next={mark}javascript:alert(1)")), "{mark}");
        assert!(leads_on(&format!("?ctx=x{mark}//evil.com/")), "{mark}");
    }
    for value in
        ["x|https://app.example.com;@evil.com/", "x,https://app.example.com~@evil.com", "x|https://a!@evil.com"]
    {
        assert!(leads_on(&format!("?ctx={value}")), "{value}");
    }
}

#[test]
fn what_ordinary_values_hold_parts_nothing() {
    let ordinary = [
        "?state_data=1a2b%7Chttps://app.example.com/home",
        "?state_data=1a2b%7C/home%7C12:30",
        "?scope=read%7Cwrite%7Corders:read",
        "?user=alice@example.org",
        "?login=alice@mail.example.org:993",
        "?jid=alice@jabber.example.org/home",
        "?call=sip:alice@pbx.example.org:5060",
        "?repository=git@git.example.com:acme/tool.git",
        "?home=~alice/x",
        "?path=/~alice/home",
        "?next=https://app.example.com/~alice/",
        "?next=https://app.example.com/!/go",
        "?type=text/html;charset=utf-8",
        "?image=a;b;c",
        "?agent=Mozilla/5.0%20(compatible%3B%20Bot/1.0%3B%20%2Bhttps://bot.example)",
        "?note=see%20(https://docs.example.org)",
        "?note=see%20%3Chttps://docs.example.org%3E",
        "?note=see%3B%20https://docs.example.org",
        "?price=$12&greeting=hello!",
        "?range=[1;2]&call=f(/x)",
        "?query=a%7C%7Cb%26%26!c",
        "?json=%7B%22a%22:%22b%7Chttps://app.example.com/%22%7D",
        "?template=%7Bhost%7D/%7Bpath%7D",
        "?hosts=https://app.example.com%7Chttps://known.example.com",
        "?odata=$filter%3Da%20eq%201",
        "?regex=%5E/home$",
    ];
    let refused: Vec<_> = ordinary.into_iter().filter(|rest| leads_on(rest)).collect();
    assert_eq!(refused, [""; 0]);
    let packed = ["a1b2", "https://app.example.com/home?x=1", "12:30", "/a/b"].join("%7C");
    assert!(!leads_on(&format!("?ctx={packed}&then={packed}")));
    let marks = "~/".repeat(800);
    assert!(!leads_on(&format!("?ctx={marks}")));
}
