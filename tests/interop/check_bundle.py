"""Holds Sigstore bundles against what others wrote: the bundle's model (sigstore-models), the signature (cryptography, which
is OpenSSL), the statement and its predicate (in-toto-attestation, protocol buffers) and JSON schemas.

    check_bundle.py PUBLIC_KEY BUNDLE...

Prints each statement on a line. Exits with 1 and a traceback if anything does not hold.
"""

import json
import pathlib
import sys

import jsonschema
import referencing
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2
from in_toto_attestation.v1 import statement as in_toto
from in_toto_attestation.v1 import statement_pb2
from sigstore_models.bundle import v1 as bundle_pb

SCHEMAS = pathlib.Path(__file__).parent / "schemas"
# Of each predicate its schema, its message, and fields of which the message is not what the specification says: there the levels
# of a summary are one string instead of a list.
PREDICATES = {
    "https://slsa.dev/provenance/v1": ("provenance-v1.schema.json", provenance_pb2.Provenance, set()),
    "https://slsa.dev/verification_summary/v1": (
        "verification-summary-v1.schema.json",
        vsa_pb2.VerificationSummary,
        {"verifiedLevels"},
    ),
}


def signed_statement(bundle_file: str, key_file: str) -> bytes:
    bundle = bundle_pb.Bundle.from_json(pathlib.Path(bundle_file).read_bytes())
    assert bundle.media_type == "application/vnd.dev.sigstore.bundle.v0.3+json", bundle.media_type
    envelope = bundle.dsse_envelope
    assert len(envelope.signatures) == 1, "a bundle carries one signature"
    assert envelope.payload_type == "application/vnd.in-toto+json", envelope.payload_type
    kind, payload = envelope.payload_type.encode(), envelope.payload
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    key = serialization.load_pem_public_key(pathlib.Path(key_file).read_bytes())
    key.verify(envelope.signatures[0].sig, message, ec.ECDSA(hashes.SHA256()))
    return payload


def validate(document: object, schema: str) -> None:
    schemas = [json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")]
    resources = [(one["$id"], referencing.Resource.from_contents(one)) for one in schemas]
    registry = referencing.Registry().with_resources(resources)
    wanted = json.loads((SCHEMAS / schema).read_text())
    jsonschema.Draft202012Validator.check_schema(wanted)
    jsonschema.Draft202012Validator(wanted, registry=registry).validate(document)


def check(bundle_file: str, key_file: str) -> None:
    payload = signed_statement(bundle_file, key_file)
    document = json.loads(payload)
    validate(document, "statement-v1.schema.json")
    schema, message, odd = PREDICATES[document["predicateType"]]
    validate(document["predicate"], schema)
    statement = json_format.Parse(payload, statement_pb2.Statement())
    in_toto.Statement.copy_from_pb(statement).validate()
    # Unknown fields and wrong types are errors; fields whose names are URIs are extensions, which others ignore.
    fields = document["predicate"].items()
    json_format.ParseDict({name: value for name, value in fields if ":" not in name and name not in odd}, message())
    print(payload.decode())


for bundle in sys.argv[2:]:
    check(bundle, sys.argv[1])
