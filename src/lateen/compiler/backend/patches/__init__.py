"""EnvoyFilter's patches, applied to rendered resources as Istio applies them."""
