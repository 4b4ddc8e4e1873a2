"""Makes in moto what an operator makes in AWS: a user pool with a resource server, and a user with the policy of docs/cognito.md. Then moto
verifies every signature and every permission.   cognito_setup.py ENDPOINT REPOSITORY   prints JSON: pool, key, secret"""

import json
import pathlib
import re
import sys
import urllib.request

import boto3

endpoint, repository = sys.argv[1], pathlib.Path(sys.argv[2])
REGION = "eu-central-1"


def client(service):
    keys = {"aws_access_key_id": "setup", "aws_secret_access_key": "setup"}
    return boto3.client(service, endpoint_url=endpoint, region_name=REGION, **keys)


cognito, iam = client("cognito-idp"), client("iam")
pool = cognito.create_user_pool(PoolName="acme")["UserPool"]["Id"]
scopes = [{"ScopeName": "read", "ScopeDescription": "Reads orders"}]
cognito.create_resource_server(UserPoolId=pool, Identifier="orders", Name="Orders", Scopes=scopes)
documented = re.search(r"```json\n(.*?)```", (repository / "docs/cognito.md").read_text(), re.DOTALL).group(1)
statement = json.loads(documented)["Statement"][0]
arn = f"arn:aws:cognito-idp:{REGION}:123456789012:userpool/{pool}"
# moto knows no resources of Cognito: the actions are what it holds against the policy.
policy = {"Version": "2012-10-17", "Statement": [{**statement, "Resource": [arn, "*"]}]}
iam.create_user(UserName="gateway")
iam.put_user_policy(UserName="gateway", PolicyName="dcr", PolicyDocument=json.dumps(policy))
key = iam.create_access_key(UserName="gateway")["AccessKey"]
on = urllib.request.Request(f"{endpoint}/moto-api/reset-auth", data=b"0", method="POST", headers={"content-type": "text/plain"})
urllib.request.urlopen(on).read()
print(json.dumps({"pool": pool, "key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}))
