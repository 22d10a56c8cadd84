# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.intent

# Nobody can scan an image for personal data, so the gateway refuses images unless policy lets them go. This lets them go for some teams; audio and files for none.

default verdict := {"outcome": "deny", "reasons": [{"rule": "intent.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow", "obligations": {"allow_unscanned": unscanned_kinds == {"image"}}} if {
	input.subject.tenant
	count(reasons) == 0
}

verdict := {"outcome": "deny", "reasons": reasons} if count(reasons) > 0

unscanned_kinds := {part.kind | some part in object.get(input, ["request", "unscanned"], [])}

reasons contains {"rule": "images.team", "message": "none of your teams may send images"} if {
	"image" in unscanned_kinds
	allowed_teams & my_teams == set()
}

reasons contains {"rule": "images.kind", "message": sprintf("nobody may send content of the kind %v", [kind])} if {
	some kind in (unscanned_kinds - {"image"})
}

allowed_teams := {team | some team in data.images.teams}

my_teams := {team | some team in object.get(input, ["subject", "teams"], [])}
