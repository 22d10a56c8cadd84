# METADATA
# scope: package
# schemas:
#   - input: schema.answer
# custom:
#   input: gateway.input/v1
package gateway.answer

# Nothing to say about answers: what was asked for with leave goes out. What is found in it is shown to nobody.

default verdict := {"outcome": "deny", "reasons": [{"rule": "answer.default", "message": "no rule allows this"}]}

verdict := {"outcome": "allow"} if input.intent_verdict.outcome == "allow"
