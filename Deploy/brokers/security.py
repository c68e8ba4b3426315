"""What a client's properties say about TLS and passwords, with librdkafka's names, and how a connection gets them."""
import base64
import hashlib
import hmac
import os
import ssl

from .wire import KafkaError, block, string

SASL_HANDSHAKE, SASL_AUTHENTICATE = 17, 36
PROTOCOLS = {"plaintext": (False, False), "ssl": (True, False), "sasl_plaintext": (False, True), "sasl_ssl": (True, True)}
KNOWN = {
    "ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.key.password", "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification", "sasl.mechanisms", "sasl.username", "sasl.password",
}


class PropertiesError(Exception):
    """The client's properties cannot be used."""


def read_properties(path):
    """NAME=VALUE lines, as kcat reads them with -F. Errors quote no value: some are passwords."""
    properties = {}
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.readlines()
    except (OSError, ValueError) as error:
        raise PropertiesError(f"{path}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not name:
            raise PropertiesError(f"{path}:{number}: no NAME=VALUE")
        name = "sasl.mechanisms" if name == "sasl.mechanism" else name
        if name in properties:
            raise PropertiesError(f"{path}:{number}: {name} a second time")
        properties[name] = value
    return properties


class Security:
    def __init__(self, properties):
        protocol = properties.get("security.protocol", "plaintext").lower()
        if protocol not in PROTOCOLS:
            raise PropertiesError(f"security.protocol: one of {', '.join(PROTOCOLS)}")
        tls, self.has_login = PROTOCOLS[protocol]
        # What does not bear on security is tuning, which a few requests can do without.
        for name in sorted(set(properties) - KNOWN):
            if name.startswith(("ssl.", "sasl.")):
                raise PropertiesError(f"{name}: not known here; give PEM files and the mechanisms PLAIN or SCRAM in a file of their own")
        self.properties = properties
        self.context = self.tls() if tls else None
        if self.has_login:
            self.mechanism = properties.get("sasl.mechanisms", "").upper()
            if self.mechanism not in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
                raise PropertiesError("sasl.mechanisms: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
            for name in ("sasl.username", "sasl.password"):
                if not properties.get(name):
                    raise PropertiesError(f"{name} is missing")

    def tls(self):
        given = self.properties.get
        roots = given("ssl.ca.location")
        for name in ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location"):
            path = given(name)
            if path and path != "probe" and not os.access(path, os.R_OK):
                raise PropertiesError(f"{name}: there is no {path}, or it cannot be read")
        try:
            context = ssl.create_default_context()
            if roots and roots != "probe":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.load_verify_locations(**({"capath": roots} if os.path.isdir(roots) else {"cafile": roots}))
            if given("ssl.certificate.location"):
                context.load_cert_chain(
                    given("ssl.certificate.location"), given("ssl.key.location"), given("ssl.key.password") or (lambda: b""))
        except OSError as error:  # of OpenSSL too
            raise PropertiesError(f"the files of ssl.*.location: {error}") from None
        context.check_hostname = given("ssl.endpoint.identification.algorithm", "https").lower() != "none"
        if given("enable.ssl.certificate.verification", "true").lower() == "false":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def protected(self, connection, host):
        return self.context.wrap_socket(connection, server_hostname=host) if self.context else connection

    def log_in(self, broker):
        if not self.has_login:
            return
        answer = broker.ask(SASL_HANDSHAKE, 1, string(self.mechanism))
        if answer.number("h"):
            offered = ", ".join(answer.array(answer.string))
            raise KafkaError(f"the broker does not take sasl.mechanisms={self.mechanism}; it offers {offered or 'none'}")
        user, password = self.properties["sasl.username"], self.properties["sasl.password"]
        if self.mechanism == "PLAIN":
            self.say(broker, f"\0{user}\0{password}".encode())
        else:
            self.scram(broker, user, password, self.mechanism[6:].replace("-", "").lower())

    @staticmethod
    def say(broker, words):
        answer = broker.ask(SASL_AUTHENTICATE, 0, block(words))
        code, message = answer.number("h"), answer.string()
        if code:
            raise KafkaError(f"the broker refuses the login: {message or code}; check user, password and mechanism")
        return answer.block()

    def scram(self, broker, user, password, name):
        """RFC 5802, without channel binding."""
        nonce = base64.b64encode(os.urandom(24)).decode()
        bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
        first = self.say(broker, f"n,,{bare}".encode()).decode()
        fields = dict(field.split("=", 1) for field in first.split(","))
        if not fields.get("r", "").startswith(nonce):
            raise KafkaError("the broker's answer to the login is not of this login")
        salted = hashlib.pbkdf2_hmac(name, password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        without_proof = f"c=biws,r={fields['r']}"
        signed = f"{bare},{first},{without_proof}".encode()
        key = hmac.digest(salted, b"Client Key", name)
        signature = hmac.digest(hashlib.new(name, key).digest(), signed, name)
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        last = self.say(broker, f"{without_proof},p={proof}".encode()).decode()
        expected = hmac.digest(hmac.digest(salted, b"Server Key", name), signed, name)
        if not hmac.compare_digest(last.encode(), b"v=" + base64.b64encode(expected)):
            raise KafkaError("the broker does not know the password either")
