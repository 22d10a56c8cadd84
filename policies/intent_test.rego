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

test_an_intent_that_says_nothing_is_refused if {
	verdict := intent.verdict with input as {}
	verdict.outcome == "deny"
}
