package index

// Paragraphs that many rules are from.
const (
	distributionSpec = "https://github.com/buildpacks/spec/blob/main/distribution.md#buildpackage"
	buildpackSpec    = "https://github.com/buildpacks/spec/blob/main/buildpack.md#buildpacktoml-toml"
	platformSpec     = "https://github.com/buildpacks/spec/blob/main/platform.md"
	multiarchRFC     = "https://github.com/buildpacks/rfcs/blob/main/text/0128-multiarch-builders-and-package.md"
)

func identityRules() []RuleInfo {
	return []RuleInfo{{
		ID: KindMixed, Group: GroupIdentity, Local: Warning, Publish: Error, Optional: true,
		Check:  "All images of a list are of one kind: buildpacks, extensions, builders, base images, or applications with and without Cloud Native Buildpacks.",
		Why:    "Whoever uses the list gets a buildpack on one platform and something else on another.",
		Repair: "Remove the entries that do not belong to it.",
		Source: multiarchRFC,
	}, {
		ID: LabelMissing, Group: GroupIdentity, Local: Warning, Publish: Error, Optional: true,
		Check:  "A buildpack or extension has both of its labels, they can be read, and id and version are not empty.",
		Why:    "pack reads nothing but these labels. One that is missing or broken makes a package that cannot be used at all.",
		Repair: "Package again.",
		Source: distributionSpec,
	}, {
		ID: IDMismatch, Group: GroupIdentity, Local: Warning, Publish: Error, Optional: true,
		Check:  "All packages of a list have the same id.",
		Why:    "A list is one buildpack for several platforms. An order that names it finds it on some of them only.",
		Repair: "Remove the entries that do not belong to it.",
		Source: multiarchRFC,
	}, {
		ID: VersionMismatch, Group: GroupIdentity, Local: Warning, Publish: Error, Optional: true,
		Check:  "All packages of a list have the same version.",
		Why:    "Builds would differ from platform to platform, and an order that pins a version fails on some.",
		Repair: "Package all platforms from one release.",
		Source: multiarchRFC,
	}}
}

func packageRules() []RuleInfo {
	return []RuleInfo{{
		ID: MainNotInLayers, Group: GroupIdentity, Local: Warning, Publish: Error, Optional: true,
		Check:  "The buildpack or extension that the package is named after is one of those that its layers have.",
		Why:    "pack looks for it there and finds nothing to run.",
		Repair: "Package again.",
		Source: distributionSpec + " (\"MUST match a buildpack provided by a layer blob\")",
	}, {
		ID: LayerMissing, Group: GroupIdentity, Local: Warning, Publish: Error, Optional: true,
		Check:  "Every layer that the labels name is a layer of the image.",
		Why:    "pack fails when it takes the package apart, which is during somebody else's build.",
		Repair: "Package again. Tools that squash or re-compress layers break packages.",
		Source: distributionSpec,
	}, {
		ID: ExtraLayers, Group: GroupIdentity, Local: Note, Publish: Warning, Optional: true,
		Check:  "All layers of a package are those of its buildpacks; on Windows there is one more at its base.",
		Why:    "Such a layer is never read, and downloaded by everybody.",
		Repair: "Package again from a clean state.",
		Source: distributionSpec + " (\"all FS layers MUST be buildpack layers\")",
	}}
}

func targetRules() []RuleInfo {
	return []RuleInfo{{
		ID: TargetUnsupported, Group: GroupIdentity, Local: Warning, Publish: Error, Optional: true,
		Check:  "The platform of a package is one of the targets of its buildpack, and of every component that names targets. What a target leaves open matches anything; buildpacks for all stacks and those without targets match all. Below Buildpack API 0.12, and where only the variant or the distribution differs, this is a warning at most.",
		Why:    "lifecycle and pack refuse the build: \"unable to satisfy target os/arch constraints\".",
		Repair: "Add the target to buildpack.toml, or do not publish this platform.",
		Source: "https://github.com/buildpacks/spec/blob/main/buildpack.md#targets-1",
	}, {
		ID: TargetUncovered, Group: GroupIdentity, Local: Note, Publish: Warning, Optional: true,
		Check:  "For every target with operating system and architecture there is an image in the list.",
		Why:    "buildpack.toml promises a platform that the list does not have.",
		Repair: "Add a package for the platform, or take the target out of buildpack.toml.",
		Source: multiarchRFC,
	}}
}

func comparedRules() []RuleInfo {
	return []RuleInfo{{
		ID: ModulesDiffer, Group: GroupIdentity, Local: Warning, Publish: Warning, Optional: true,
		Check:  "A composite buildpack has the same components, in the same order, on all platforms.",
		Why:    "It may be meant so, since not every component exists for every platform. More often a component was built from another release.",
		Repair: "Package all platforms from the same package.toml.",
		Source: multiarchRFC + " (unresolved questions)",
	}, {
		ID: StacksDiffer, Group: GroupIdentity, Local: Warning, Publish: Warning, Optional: true,
		Check:  "All packages of a list support the same stacks with the same mixins.",
		Why:    "A build that works on one platform is refused on another.",
		Repair: "Package all platforms from the same buildpack.toml.",
		Source: distributionSpec,
	}, {
		ID: APIDiffer, Group: GroupIdentity, Local: Warning, Publish: Warning, Optional: true,
		Check:  "A buildpack is of the same Buildpack API on all platforms.",
		Why:    "Its programs are called in different ways, so it behaves differently.",
		Repair: "Package all platforms from the same buildpack.toml.",
		Source: buildpackSpec,
	}, {
		ID: APIUnsupported, Group: GroupIdentity, Local: Warning, Publish: Warning, Optional: true,
		Check:  "The Buildpack API of every buildpack of a package is one that lifecycle supports: 0.7 to 0.12.",
		Why:    "Builders with a lifecycle of today refuse to run it.",
		Repair: "Raise the api in buildpack.toml.",
		Source: "https://github.com/buildpacks/lifecycle/blob/v0.21.17/api/apis.go",
	}}
}

func formalRules() []RuleInfo {
	return []RuleInfo{{
		ID: VersionFormat, Group: GroupIdentity, Local: Warning, Publish: Warning, Optional: true,
		Check:  "The version is three numbers without leading zeros, as in 1.2.3.",
		Why:    "The buildpack registry and tools that sort versions refuse anything else.",
		Repair: "Set another version in buildpack.toml.",
		Source: buildpackSpec,
	}, {
		ID: IDFormat, Group: GroupIdentity, Local: Warning, Publish: Warning, Optional: true,
		Check:  "The id has letters, digits, '.', '/' and '-' only, and is none of app, config, generated and sbom. That it is NAMESPACE/NAME, as the buildpack registry wants it, is worth a note only.",
		Why:    "The id becomes the name of a directory, and these four are taken.",
		Repair: "Set another id in buildpack.toml.",
		Source: buildpackSpec,
	}}
}

func builderRules() []RuleInfo {
	return []RuleInfo{{
		ID: BuilderUnreadable, Group: GroupBuilder, Local: Warning, Publish: Warning, Optional: true,
		Check:  "The labels of a builder can be read.",
		Why:    "pack stops before a build begins.",
		Repair: "Create the builder again.",
		Source: "https://github.com/buildpacks/pack/blob/v0.40.7/internal/builder/metadata.go",
	}, {
		ID: BuilderLifecycle, Group: GroupBuilder, Local: Warning, Publish: Warning, Optional: true,
		Check:  "A builder has the same lifecycle, with the same APIs, on all platforms.",
		Why:    "What works on one platform is refused on another.",
		Repair: "Create all platforms from the same builder.toml.",
		Source: platformSpec,
	}, {
		ID: BuilderModules, Group: GroupBuilder, Local: Warning, Publish: Warning, Optional: true,
		Check:  "A builder has the same buildpacks and extensions on all platforms.",
		Why:    "An application is built on one platform and not detected on another.",
		Repair: "Create all platforms from the same builder.toml.",
		Source: multiarchRFC,
	}, {
		ID: BuilderOrder, Group: GroupBuilder, Local: Warning, Publish: Warning, Optional: true,
		Check:  "A builder tries its buildpacks in the same order on all platforms.",
		Why:    "An application is built by different buildpacks from platform to platform.",
		Repair: "Create all platforms from the same builder.toml.",
		Source: multiarchRFC,
	}, {
		ID: BuilderStack, Group: GroupBuilder, Local: Warning, Publish: Warning, Optional: true,
		Check:  "A builder is of the same stack and of the same distribution on all platforms.",
		Why:    "Buildpacks choose what to install by the distribution.",
		Repair: "Create all platforms on build images of one release.",
		Source: platformSpec,
	}}
}

func binaryRules() []RuleInfo {
	return []RuleInfo{{
		ID: BinaryArch, Group: GroupBinary, Local: Warning, Publish: Error, Optional: true,
		Check:  "bin/build, bin/detect and bin/generate are scripts or programs for the platform of the package. Other executables of a buildpack are worth a warning at most, and a note where some of them fit. The rule speaks only where layers were read: those of files, and those in registries if that was asked for.",
		Why:    "pack takes it on trust that programs fit the target: linux/arm64 around programs for amd64 is published without a word and fails in every build with \"exec format error\".",
		Repair: "Build the programs for the platform, each in its own folder of the buildpack, and package again.",
		Source: multiarchRFC,
	}, {
		ID: SameLayerOtherArch, Group: GroupBinary, Local: Note, Publish: Note,
		Check:  "Packages for different architectures do not share a layer with a buildpack's programs.",
		Why:    "The same program cannot be right for both.",
		Repair: "See binary-arch.",
		Source: multiarchRFC,
	}}
}

func formatRules() []RuleInfo {
	return []RuleInfo{{
		ID: MediaTypeMixed, Group: GroupFormat, Local: Note, Publish: Warning, Optional: true,
		Check:  "List and images are of one family of media types, OCI's or Docker's.",
		Why:    "Some registries refuse a mixed list, and some tools cannot read it.",
		Repair: "Convert the images, or make the list in their format.",
		Source: "https://github.com/containers/buildah/issues/3550, https://github.com/google/go-containerregistry/issues/2203",
	}, {
		ID: AnnotationsInV2S2, Group: GroupFormat, Local: Error, Publish: Error, Optional: true,
		Check:  "A list in Docker's format has no annotations, no artifactType but the media type of a config, which says nothing, no subject and no embedded data.",
		Why:    "The format has no members for them; other tools drop them without a word.",
		Repair: "Make the list in OCI's format.",
		Source: "https://distribution.github.io/distribution/spec/manifest-v2-2/#manifest-list, https://github.com/docker/buildx/pull/4091",
	}, {
		ID: NotConvertible, Group: GroupFormat, Local: Error, Publish: Error,
		Check:  "An image that is to be converted can be expressed in the other format.",
		Why:    "What the other format cannot express would be lost.",
		Repair: "Make the list in the format of the image.",
		Source: "https://github.com/opencontainers/image-spec/blob/v1.1.1/media-types.md#compatibility-matrix",
	}}
}
