package gateway.intent_test

import data.gateway.intent

sending(kinds, teams) := {
	"subject": {"tenant": "acme", "teams": teams},
	"request": {"unscanned": [{"kind": kind, "where": "messages[0].content[1]"} | some kind in kinds]},
}

rules(given) := found if found := {reason.rule | some reason in intent.verdict.reasons} with input as given

test_the_team_may_send_images if {
	verdict := intent.verdict with input as sending(["image", "image"], ["support", "claims"])
	verdict == {"outcome": "allow", "obligations": {"allow_unscanned": true}}
}

test_text_needs_no_leave if {
	verdict := intent.verdict with input as sending([], ["support"])
	verdict == {"outcome": "allow", "obligations": {"allow_unscanned": false}}
}

test_other_teams_may_not if {
	rules(sending(["image"], ["support"])) == {"images.team"}
}

test_nobody_may_send_files if {
	rules(sending(["image", "file"], ["claims"])) == {"images.kind"}
}

test_nobody_in_particular_may_not_ask if {
	verdict := intent.verdict with input as {}
	verdict.outcome == "deny"
}
