"""Policies about which the lint has nothing to say, and what goes above their rules."""

from __future__ import annotations

META = "# METADATA\n# scope: package\n# schemas:\n#   - input: schema.{0}\n# custom:\n#   input: gateway.input/v1\npackage gateway.{0}\n\n"
ANSWER = META.format("answer") + 'verdict := {"outcome": "allow"}\n'
HEAD = META.format("intent") + 'default verdict := {"outcome": "deny"}\n\nverdict := {"outcome": "allow", "reasons": found} if a\n\nfound := []\n'
"""13 lines about which nothing is to be said; the rules of a case begin in the 14th."""

GOOD = {
    "constants": "a if true",
    "findings": 'a if {\n\tsome finding in input.findings\n\tfinding.category in {"IBAN_CODE"}\n\tfinding.count > 2\n}',
    "object.get": 'a if {\n\troute := object.get(input, ["request", "route"], "")\n\tnot startswith(route, "x")\n}',
    "parameters": "a if input.request.params.temperature > 1.5\n\na if input.request.params.whatever.below[0].x",
    "messages": 'a if input.request.messages[_].content[_].type == "image_url"\n\na if input.request.messages[0].name == "x"',
    "tools": 'a if {\n\tsome tool in input.request.tools\n\ttool.function.parameters.properties.id.type == "string"\n}',
    "labels": 'a if input.intent.labels.team == "x"',
    "tables": 'a if data.tables[input.subject.tenant].routes[_] == input.request.route\n\na if object.get(data.tables, ["x", "y"], false)',
    "functions": "a if f(input.request)\n\nf(request) if request.anything.at.all",
    "nulls": 'a if input.subject.on_behalf_of == null\n\na if input.intent.parent_id == "i1"\n\na if input.request.cost_estimate_microusd == null',
    "money": "a if input.request.cost_estimate_microusd > 5 * 1000000\n\na if input.request.cost_estimate_microusd * 2 < 7",
    "time": "a if time.weekday(time.parse_rfc3339_ns(input.time)) == `Sunday`",
    "comprehensions": 'a if count({category | category := input.findings[_].category; startswith(category, "US_")}) > 1',
    "shadows": "a if {\n\tx := input.request\n\tx.route\n\tb\n}\n\nb if {\n\tsome x in input.findings\n\tx.category\n}",
    "iteration": "a if {\n\tsome section, value in input.subject\n\tvalue == section\n}\n\na if input.subject[_] == `x`",
    "enums": 'a if input.intent.surface == "chat"\n\na if input.subject.kind != "robot"\n\na if input.hook == "intent"',
    "computed verdicts": 'a if true\n\nverdict := chosen if input.attempt == 3\n\nchosen := object.union({"outcome": "deny"}, {})',
    "obligations": (
        'a if true\n\nverdict := {"outcome": "allow", "obligations": {"reveal": {"model": ["*"], "caller": {"EMAIL_ADDRESS"}}, "allow_unscanned": true, '
        '"routes": ["assistant", "triage/primary"], "max_tokens": 512, "require_schema": "order",\n\t'
        '"retention_days": 30, "labels": {"team": input.subject.tenant}}} if input.attempt == 3'
    ),
    "escalations": (
        'a if true\n\nverdict := {"outcome": "escalate", "reasons": [{"rule": "a", "message": "b"}], "obligations": {"approval": {"mode": "answer", '
        '"queue": "reviews", "min_approvers": 2,\n\t"distinct_from": ["requester", "reviewers"], "expires_in_s": 60, "on_expiry": "queue:others", '
        '"skills": []}}} if {\n\tinput.attempt == 3\n\tcount(approvers) < 2\n}\n\n'
        'approvers := {approval.by |\n\tsome approval in input.approvals\n\tapproval.hook == "intent"\n\tapproval.action == "accept"\n}'
    ),
    "else": 'a if kind == "restricted"\n\nkind := "restricted" if {\n\tinput.findings[_].category == "US_SSN"\n} else := "internal"',
    "classes": "a if regex.match(`^[0-9a-z_.-]{1,9}\\.[a-z]+$`, input.request.route)",
}
