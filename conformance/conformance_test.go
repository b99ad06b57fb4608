// Package conformance runs the Gateway API's published conformance suite against a lab.
//
// The suite's own flags hold (-args --run-test=..., --report-output=...). Those of this file say
// which half is run: Gateways and mesh need different labels on the suite's namespaces.
package conformance

import (
	"flag"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/gateway-api/conformance"
	suiteconformance "sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/pkg/features"
)

var (
	part    = flag.String("part", "gateway", "which profiles: gateway or mesh")
	channel = flag.String("channel", "standard", "the channel of the installed definitions: standard leaves out what only experimental ones have")
	core    = flag.Bool("core", false, "core features alone")
)

var gatewayProfiles = []suiteconformance.ConformanceProfileName{
	suiteconformance.GatewayHTTPConformanceProfileName,
	suiteconformance.GatewayTLSConformanceProfileName,
	suiteconformance.GatewayGRPCConformanceProfileName,
	suiteconformance.GatewayTCPConformanceProfileName,
	suiteconformance.GatewayUDPConformanceProfileName,
}

var meshProfiles = []suiteconformance.ConformanceProfileName{
	suiteconformance.MeshHTTPConformanceProfileName,
	suiteconformance.MeshGRPCConformanceProfileName,
}

// Features that mesh tests ask for besides those of Mesh: the kinds of route they share with Gateways.
var sharedWithMesh = []features.FeatureName{
	features.SupportHTTPRoute,
	features.SupportGRPCRoute,
	features.SupportHTTPRouteResponseHeaderModification,
	features.SupportHTTPRouteParentRefPort,
	features.SupportHTTPRoute303RedirectStatusCode,
	features.SupportHTTPRoute307RedirectStatusCode,
	features.SupportHTTPRoute308RedirectStatusCode,
}

// Features whose definitions are in the standard channel, though the suite counts them as experimental or extended:
// core tests want the opposite of whoever does not have them.
var alsoSupported = []features.FeatureName{
	features.SupportTLSRouteModeTerminate,
	features.SupportTLSRouteModeMixed,
}

func TestConformance(t *testing.T) {
	options := conformance.DefaultOptions(t)
	if options.GatewayClassName == "gateway-conformance" {
		options.GatewayClassName = "istio"
	}
	switch *part {
	case "gateway":
		withDefaults(&options, gatewayProfiles, gatewayFeatures())
	case "mesh":
		withDefaults(&options, meshProfiles, meshFeatures())
	default:
		t.Fatalf("-part=%s: gateway or mesh is needed", *part)
	}
	options.Hook = func(t *testing.T, test suiteconformance.ConformanceTest, _ *suiteconformance.ConformanceTestSuite) {
		if t.Skipped() {
			return
		}
		word := "ok"
		if t.Failed() {
			word = "FAILED"
		}
		fmt.Printf("conformance: %s %s\n", test.ShortName, word)
	}
	conformance.RunConformanceWithOptions(t, options)
}

// withDefaults fills in what no flag of the suite's own says.
func withDefaults(options *suiteconformance.ConformanceOptions, profiles []suiteconformance.ConformanceProfileName, supported sets.Set[features.FeatureName]) {
	if len(options.ConformanceProfiles) == 0 && options.RunTest == "" {
		options.ConformanceProfiles = profiles
	}
	if len(options.SupportedFeatures) > 0 || options.EnableAllSupportedFeatures {
		return
	}
	options.SupportedFeatures = sets.List(supported)
	if *core { // The profiles bring their core features. What core tests expect of a Gateway without them is claimed too.
		options.SupportedFeatures = append([]features.FeatureName{features.SupportGateway}, alsoSupported...)
		if *part == "mesh" {
			options.SupportedFeatures = []features.FeatureName{features.SupportMesh}
		}
	}
}

func gatewayFeatures() sets.Set[features.FeatureName] {
	found := sets.New(alsoSupported...)
	for _, feature := range features.AllFeatures.UnsortedList() {
		isMesh := features.MeshCoreFeatures.Has(feature) || features.MeshExtendedFeatures.Has(feature)
		if !isMesh && installed(feature) {
			found.Insert(feature.Name)
		}
	}
	return found
}

func meshFeatures() sets.Set[features.FeatureName] {
	found := sets.New(sharedWithMesh...)
	for _, feature := range features.MeshCoreFeatures.Union(features.MeshExtendedFeatures).UnsortedList() {
		if installed(feature) {
			found.Insert(feature.Name)
		}
	}
	return found
}

func installed(feature features.Feature) bool {
	return *channel == "experimental" || feature.Channel == features.FeatureChannelStandard
}
