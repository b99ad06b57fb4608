//go:build tools

// Package istioctl pins the istioctl that labs are tried with.
package istioctl

import _ "istio.io/istio/istioctl/cmd/istioctl"
