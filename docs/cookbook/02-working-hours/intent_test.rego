package gateway.intent_test

import data.gateway.intent

at(moment, tenant, roles) := {"subject": {"tenant": tenant, "roles": roles}, "time": moment}

outcome(given) := found if found := intent.verdict.outcome with input as given

# 16 January 2026 is a Friday; Helsinki is two hours ahead of UTC then, and three in July.
test_the_office_is_open_on_its_own_clock if {
	outcome(at("2026-01-16T06:00:00Z", "acme", [])) == "allow"
	outcome(at("2026-01-16T05:59:59Z", "acme", [])) == "deny"
	outcome(at("2026-01-16T15:29:00Z", "acme", [])) == "allow"
	outcome(at("2026-01-16T15:30:00Z", "acme", [])) == "deny"
}

test_summer_time_is_kept if {
	outcome(at("2026-07-17T05:00:00Z", "acme", [])) == "allow"
}

test_the_weekend_is_the_offices_own if {
	outcome(at("2026-01-17T15:00:00Z", "acme", [])) == "deny"
	outcome(at("2026-01-17T15:00:00Z", "globex", [])) == "allow"
}

test_who_is_on_call_may_ask_at_night if {
	outcome(at("2026-01-16T01:00:00Z", "acme", ["on_call"])) == "allow"
}

test_the_refusal_says_the_hours if {
	verdict := intent.verdict with input as at("2026-01-17T12:00:00Z", "acme", [])
	verdict.reasons[0].message == "outside of working hours: 08:00 to 17:30, Europe/Helsinki"
}

test_a_tenant_without_an_office_is_always_closed if {
	outcome(at("2026-01-16T10:00:00Z", "initech", [])) == "deny"
}
