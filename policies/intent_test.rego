package gateway.intent_test

import data.gateway.intent

call(teams, route, tools) := {
	"subject": {"tenant": "acme", "teams": teams},
	"request": {"route": route, "tools": tools},
}

blocked_tool := {"type": "function", "function": {"name": "delete_account"}}

test_an_allowed_intent_carries_its_obligations if {
	verdict := intent.verdict with input as call(["support"], "assistant", [])
	verdict.outcome == "allow"
	verdict.obligations.max_tokens == 1024
	verdict.obligations.labels == {"team": "support"}
	verdict.obligations.reveal.caller == set()
}

test_a_refused_intent_gives_every_reason if {
	verdict := intent.verdict with input as call(["support"], "assistant-large", [blocked_tool])
	verdict.outcome == "deny"
	{reason.rule | some reason in verdict.reasons} == {"access.route", "limits.tool"}
}

table := {"payments": {"queue": "approvals", "distinct_from": ["requester"]}}

test_an_intent_that_needs_a_person_is_left_to_one if {
	verdict := intent.verdict with input as call(["support"], "payments", []) with data.approval as table
	verdict.outcome == "escalate"
	{reason.rule | some reason in verdict.reasons} == {"approval.route"}
	verdict.obligations.approval == table.payments
	verdict.obligations.max_tokens == 1024
}

test_an_approved_intent_is_allowed_as_any_other if {
	approved := object.union(call(["support"], "payments", []), {"approvals": [{"hook": "intent", "by": "key_2"}]})
	verdict := intent.verdict with input as approved with data.approval as table
	verdict.outcome == "allow"
	object.get(verdict.obligations, "approval", null) == null
}

test_nobody_is_asked_about_what_is_refused_anyway if {
	verdict := intent.verdict with input as call(["support"], "payments", [blocked_tool]) with data.approval as table
	verdict.outcome == "deny"
	{reason.rule | some reason in verdict.reasons} == {"limits.tool"}
}

test_an_intent_that_says_nothing_is_refused if {
	verdict := intent.verdict with input as {}
	verdict.outcome == "deny"
}
