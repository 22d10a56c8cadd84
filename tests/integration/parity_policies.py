"""Seven policies in ways of writing that differ from the shipped ones: what authors reach for, each in its own corner of the language."""

from __future__ import annotations

from collections.abc import Mapping

_ALLOW_ANSWER = (
    'package gateway.answer\n\ndefault verdict := {"outcome": "deny"}\n\nverdict := {"outcome": "allow"} if input.intent_verdict.outcome == "allow"\n'
)

MODELS_BY_ROLE = {
    "intent.rego": """package gateway.intent

default verdict := {"outcome": "deny", "reasons": [{"rule": "models.role", "message": "no role of yours may use this route"}]}

verdict := {"outcome": "allow", "obligations": {"routes": routes, "labels": {"role": best}}} if {
	count(routes) > 0
	best
}

routes := sort({route |
	some role in object.get(input, ["subject", "roles"], [])
	some route in object.get(data.roles, role, [])
	glob.match(route, [], object.get(input, ["request", "route"], ""))
})

best := "admin" if {
	"admin" in input.subject.roles
} else := "approver" if {
	"approver" in input.subject.roles
} else := lower(input.subject.kind)
""",
    "answer.rego": _ALLOW_ANSWER,
    "data.yaml": "roles: {admin: ['*'], user: ['assistant*', triage], approver: [extract, 'o*']}\n",
}

SPEND = {
    "intent.rego": """package gateway.intent

verdict := {"outcome": "deny", "reasons": sort(reasons)} if count(reasons) > 0

verdict := {"outcome": "allow", "obligations": {"max_tokens": cap, "retention_days": days}} if count(reasons) == 0

reasons contains {"rule": "spend.cost", "message": sprintf("an estimated %d micro-USD is more than %d", [cost, data.spend.most])} if {
	cost > data.spend.most
}

reasons contains {"rule": "spend.tokens", "message": sprintf("%v tokens are too many", [input.request.tokens_estimate])} if {
	input.request.tokens_estimate > 100000
}

reasons contains {"rule": "spend.parameter", "message": "max_tokens has to be a whole number from 1 on"} if {
	asked := object.get(input, ["request", "params", "max_tokens"], 1)
	not whole(asked)
}

whole(n) if {
	is_number(n)
	n > 0
	n < 1000000000
	floor(n) == n
}

cost := object.get(input, ["request", "cost_estimate_microusd"], 0)

cap := max([1, min([4096, data.spend.tokens - (floor(cost / 1000000) * 16)])])

days := 1 + round(count(object.get(input, "findings", [])) / 2)
""",
    "answer.rego": _ALLOW_ANSWER,
    "data.yaml": "spend: {most: 1000000, tokens: 2048}\n",
}

TOOLS = {
    "intent.rego": """package gateway.intent

default verdict := {"outcome": "deny", "reasons": [{"rule": "tools.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow"} if {
	every tool in input.request.tools {
		permitted(tool)
	}
} else := {"outcome": "deny", "reasons": [{"rule": "tools.name", "message": concat(", ", sort(refused))}]} if {
	count(refused) > 0
}

permitted(tool) if {
	name := object.get(tool, ["function", "name"], "")
	regex.match("^[a-z]+_[a-z]+$", name)
	not blocked(name)
}

blocked(name) if strings.any_prefix_match(name, ["delete_", "transfer_"])

blocked(name) if endswith(name, ".reset")

refused contains name if {
	some i, tool in input.request.tools
	not permitted(tool)
	name := sprintf("%d:%v", [i, object.get(tool, ["function", "name"], "none")])
}
""",
    "answer.rego": """package gateway.answer

verdict := {"outcome": "deny", "reasons": [{"rule": "tools.called", "message": message} | some message in sort(found)]} if count(found) > 0

verdict := {"outcome": "allow"} if count(found) == 0

found contains sprintf("%v is asked for more than %v", [call.function.name, arguments.amount]) if {
	some call in object.get(input, ["answer", "tool_calls"], [])
	json.is_valid(call.function.arguments)
	arguments := json.unmarshal(call.function.arguments)
	object.get(arguments, "amount", 0) > 1000
}

found contains "arguments that are no JSON" if {
	some call in object.get(input, ["answer", "tool_calls"], [])
	arguments := object.get(call, ["function", "arguments"], "")
	not json.is_valid(arguments)
}
""",
}

CONTENT = {
    "intent.rego": """package gateway.intent

default verdict := {"outcome": "allow", "obligations": {"labels": {"words": "none"}}}

verdict := {"outcome": "deny", "reasons": [{"rule": "content.words", "message": sprintf("%d words are not for models", [count(found)])}]} if count(found) > 0

verdict := {"outcome": "allow", "obligations": {"labels": {"words": longest}}} if {
	count(found) == 0
	longest
}

texts := array.concat(plain, parted)

plain := [message.content | some message in object.get(input, ["request", "messages"], []); is_string(message.content)]

parted := [part.text |
	some message in object.get(input, ["request", "messages"], [])
	is_array(message.content)
	some part in message.content
]

found := {word |
	some text in texts
	some word in data.words
	contains(text, word)
}

longest := sprintf("%d of %d, first %v", [max([count(split(text, " ")) | some text in texts]), count(texts), substring(trim_space(texts[0]), 0, 12)])
""",
    "answer.rego": """package gateway.answer

default leaks := false

verdict := {"outcome": "allow", "obligations": {"labels": {"shape": shape, "start": start}}} if not leaks

verdict := {"outcome": "deny", "reasons": [{"rule": "content.leak", "message": "the answer says what it must not"}]} if leaks

leaks if {
	some word in data.words
	indexof(text, word) >= 0
}

text := object.get(input, ["answer", "text"], "")

shape := sprintf("%d words, %v", [count(split(text, " ")), type_name(text)])

start := replace(substring(concat("", ["x", text]), 0, 8), " ", "_")
""",
    "data.yaml": "words: [bluebird, 'délicat', Jane, '日本']\n",
}

FINDINGS = {
    "intent.rego": """package gateway.intent

verdict := {"outcome": outcome, "reasons": reasons, "obligations": {"reveal": reveal, "labels": labels, "allow_unscanned": unscanned}}

default outcome := "allow"

outcome := "deny" if count(categories & {"SECRET", "US_SSN"}) > 0

outcome := "escalate" if {
	count(categories & {"SECRET", "US_SSN"}) == 0
	sum(counts) > 1000
}

reasons := [{"rule": "findings.seen", "message": concat(" ", sort(categories))} | outcome != "allow"]

categories := {finding.category | some finding in input.findings}

counts := [finding.count | some finding in input.findings]

by_origin := {origin: found |
	some origin in {finding.origin | some finding in input.findings}
	found := {finding.category | some finding in input.findings; finding.origin == origin}
}

reveal := object.union({"model": categories - {"SECRET", "US_SSN", "CREDIT_CARD"}}, {"record": object.get(by_origin, "caller", set()) - {"SECRET"}})

labels := {origin: sprintf("%d", [count(found)]) | some origin, found in by_origin}

default unscanned := false

unscanned if {
	every item in input.request.unscanned {
		item.kind in {"image", "file"}
	}
}
""",
    "answer.rego": """package gateway.answer

default verdict := {"outcome": "deny"}

verdict := {"outcome": "allow", "obligations": {"reveal": {"caller": shown}}} if {
	input.intent_verdict.outcome != "deny"
	count(hidden) == 0
}

shown := {finding.category | some finding in input.findings; finding.origin == "model"} - {"SECRET"}

hidden := [finding | some finding in input.findings; finding.category == "SECRET"]
""",
}

JUDGEMENT = {
    "intent.rego": """package gateway.intent

default verdict := {"outcome": "deny", "reasons": [{"rule": "time.closed", "message": "not at this time"}]}

verdict := {"outcome": "allow", "obligations": {"labels": {"hour": sprintf("%d", [hour]), "day": time.weekday(now)}}} if {
	hour >= 6
	net.cidr_contains("192.0.2.0/24", object.get(data.addresses, input.subject.tenant, "198.51.100.1"))
}

now := time.parse_rfc3339_ns(input.time) if regex.match("^[0-9]{4}-", input.time)

hour := time.clock(now)[0]
""",
    "answer.rego": """package gateway.answer

verdict := {"outcome": "deny", "reasons": [{"rule": rule, "message": message} | some rule, message in faults]} if count(faults) > 0

verdict := {"outcome": "allow", "obligations": {"allow_invalid": input.answer.repairs > 1, "labels": {"judged": judged}}} if count(faults) == 0

faults["judge.confidence"] := sprintf("%v is less than %v", [input.answer.confidence, least]) if {
	is_number(input.answer.confidence)
	input.answer.confidence < least
}

faults["judge.signals"] := concat(", ", weak) if count(weak) > 1

weak := [name | some name in ["agreement", "logprobs", "self_reported"]; object.get(input, ["answer", "signals", name], 1) < 0.5]

default least := 0.4

least := 0.6 if input.subject.tenant == "globex"

judged := sprintf("%v %v", [type_name(object.get(input, ["answer", "confidence"], null)), object.get(input, ["answer", "schema_valid"], null)])
""",
    "data.yaml": "addresses: {acme: '192.0.2.7', globex: '192.0.2.255'}\n",
}

APPROVALS = {
    "intent.rego": """package gateway.intent

default verdict := {"outcome": "allow"}

verdict := {"outcome": "escalate", "reasons": reasons, "obligations": {"approval": terms, "reveal": {"person": shown}}} if count(approvers) < wanted

wanted := object.get(data.wanted, object.get(input, ["request", "route"], ""), 0)

approvers := {approval.by |
	some approval in object.get(input, "approvals", [])
	approval.hook == "intent"
	approval.action != "edit"
	not approval.by in ["gateway.expiry", object.get(input, ["subject", "id"], "")]
}

reasons := [{"rule": "approvals.wanted", "message": sprintf("%d of %d: %v", [count(approvers), wanted, concat(", ", sort(approvers))])}]

terms := object.union({"mode": mode, "min_approvers": wanted, "distinct_from": ["requester" | input.subject.kind == "key"]}, time)

mode := ["approve", "look", "answer"][count(object.get(input, ["subject", "teams"], [])) % 3]

time := {"expires_in_s": 60 * count(input.findings), "on_expiry": sprintf("queue:%v", [input.subject.tenant])} if {
	count(input.findings) > 0
} else := {"on_expiry": "release", "skills": [skill | some skill in input.subject.roles; skill == "approver"]}

shown := {finding.category | some finding in input.findings; finding.origin != "person"} - {"SECRET"}
""",
    "answer.rego": """package gateway.answer

default verdict := {"outcome": "deny"}

verdict := {"outcome": "allow", "obligations": {"labels": {"by": concat(",", sort(names))}}} if count(bound) > 0

verdict := {"outcome": "escalate", "obligations": {"approval": {"queue": input.request.route, "mode": "review"}}} if {
	count(bound) == 0
	input.answer.source == "model"
}

bound := [approval | some approval in input.approvals; approval.scope_sha256 == max({other.scope_sha256 | some other in input.approvals})]

names := {sprintf("%v (%v)", [approval.name, count(approval.roles)]) | some approval in bound}
""",
    "data.yaml": "wanted: {assistant: 1, triage: 2, payments: 3, extract: 11}\n",
}

POLICIES: Mapping[str, Mapping[str, str]] = {
    "models by role": MODELS_BY_ROLE,
    "spend": SPEND,
    "tools": TOOLS,
    "content": CONTENT,
    "findings": FINDINGS,
    "judgement": JUDGEMENT,
    "approvals": APPROVALS,
}
