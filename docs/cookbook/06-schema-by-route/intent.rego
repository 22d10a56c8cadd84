# METADATA
# scope: package
# schemas:
#   - input: schema.intent
# custom:
#   input: gateway.input/v1
package gateway.intent

# A schema for a route: what other programs read has to have its form, whatever the caller asks for.

default verdict := {"outcome": "deny", "reasons": [{"rule": "intent.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow", "obligations": obligations} if input.subject.tenant

obligations := {"require_schema": data.schema_of[input.request.route]}

default obligations := {}
