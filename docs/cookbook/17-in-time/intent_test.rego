package gateway.intent_test

import data.gateway.intent

asked(route, persons) := {
	"subject": {"tenant": "acme"},
	"request": {"route": route},
	"approvals": [{"hook": "intent", "by": person} | some person in persons],
}

test_there_is_a_time_for_it if {
	verdict := intent.verdict with input as asked("assistant", [])
	verdict.outcome == "escalate"
	verdict.obligations.approval == {"mode": "approve", "queue": "desk", "expires_in_s": 900, "on_expiry": "release"}
	{reason.message | some reason in verdict.reasons} == {"a person has to approve this within 900 seconds"}
}

test_where_little_is_at_stake_it_goes_on_without_a_person if {
	verdict := intent.verdict with input as asked("assistant", ["gateway.expiry"])
	verdict.outcome == "allow"
	verdict.obligations.labels.approved_by == "gateway.expiry"
}

test_where_much_is_at_stake_it_does_not if {
	verdict := intent.verdict with input as asked("assistant-large", ["gateway.expiry"])
	verdict.outcome == "escalate"
	verdict.obligations.approval.on_expiry == "queue:managers"
}

test_a_person_in_time_is_enough_everywhere if {
	every route in ["assistant", "assistant-large"] {
		verdict := intent.verdict with input as asked(route, ["key_2"])
		verdict.outcome == "allow"
		verdict.obligations.labels.approved_by == "key_2"
	}
}

test_other_routes_need_nobody if {
	verdict := intent.verdict with input as asked("triage", [])
	verdict.outcome == "allow"
	verdict.obligations.labels.approved_by == "nobody"
}

test_nobody_in_particular_may_not if {
	verdict := intent.verdict with input as {}
	verdict.outcome == "deny"
}
