"""Who a bearer token is: the lab's owner, the agent, or a ServiceAccount of the lab."""

from lateen.apiserver.access import auth
from lateen.pki.accounts import AccountTokens, TokenError
from lateen.store import api as store_api

AGENT = auth.User("system:node:lateen", ("system:masters", "system:nodes", auth.AUTHENTICATED))


class AccountAuthenticator:
    """Accepts ServiceAccount tokens that the lab's own key signed, as long as the account is
    there: one that is deleted takes its tokens along, though another one may have its name."""

    def __init__(self, tokens: AccountTokens, store: store_api.Store) -> None:
        self._tokens = tokens
        self._store = store

    def authenticate(self, token: str, audience: str = "") -> auth.User | None:
        """Return the ServiceAccount, or None for a token that is not one, has expired, or is for
        another audience."""
        try:
            found = self._tokens.verify(token, audience)
            key = store_api.Key("serviceaccounts", found.namespace, found.name)
            account = self._store.get(key).value
        except (TokenError, store_api.NotFoundError):
            return None
        if account["metadata"].get("uid") != found.uid:
            return None
        return auth.service_account(found.namespace, found.name, found.uid)
