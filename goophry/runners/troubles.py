"""What went wrong with a connection, in plain words."""

import ssl


def in_words(error: OSError) -> str:
    """Say what an error of the system, or of TLS, means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
    reason = error.strerror or str(error)
    return f"{reason[:1].lower()}{reason[1:]}"
