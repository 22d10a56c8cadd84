package gateway.intent_test

import data.gateway.intent

asked(route, approvals) := {"subject": {"tenant": "acme"}, "request": {"route": route}, "approvals": approvals}

test_a_person_is_asked_to_answer if {
	verdict := intent.verdict with input as asked("assistant-large", [])
	verdict.outcome == "escalate"
	verdict.obligations.approval == {"mode": "answer", "queue": "press", "on_expiry": "refuse"}
}

test_what_a_person_answered_goes_on if {
	verdict := intent.verdict with input as asked("assistant-large", [{"hook": "intent", "by": "key_2", "mode": "answer", "action": "answer"}])
	verdict.outcome == "allow"
}

test_models_answer_on_other_routes if {
	verdict := intent.verdict with input as asked("assistant", [])
	verdict.outcome == "allow"
}

test_nobody_in_particular_may_not if {
	verdict := intent.verdict with input as {}
	verdict.outcome == "deny"
}
