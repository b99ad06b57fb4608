"""Who a bearer token is: the lab's owner, the agent, or a ServiceAccount of the lab."""

from lateen.apiserver import auth
from lateen.pki.accounts import AccountTokens, TokenError

AGENT = auth.User("system:node:lateen", ("system:masters", "system:nodes", auth.AUTHENTICATED))


class AccountAuthenticator:
    """Accepts ServiceAccount tokens that the lab's own key signed."""

    def __init__(self, tokens: AccountTokens) -> None:
        self._tokens = tokens

    def authenticate(self, token: str) -> auth.User | None:
        """Return the ServiceAccount, or None for a token that is not one or has expired."""
        try:
            found = self._tokens.verify(token)
        except TokenError:
            return None
        return auth.service_account(found.namespace, found.name, found.uid)
