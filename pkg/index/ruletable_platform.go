package index

func integrityRules() []RuleInfo {
	return []RuleInfo{{
		ID: DigestMismatch, Group: GroupIntegrity, Local: Error, Publish: Error,
		Check:  "The bytes of every manifest and config, and of every layer that is read, have the digest and the size of the descriptor that refers to them.",
		Why:    "A digest is what consumers pin and sign; content of another digest is damaged or somebody else's.",
		Repair: "Get the source again; if it stays so, whoever serves it is at fault.",
		Source: "https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#verification",
	}, {
		ID: NotAnImage, Group: GroupIntegrity, Local: Error, Publish: Error, Optional: true,
		Check:  "Every entry refers to an image manifest, of OCI or of Docker's schema 2, whose config is an image's, or to a list. Attestations of BuildKit are carried with their image.",
		Why:    "No runtime can start anything else by its platform. Artifacts, such as charts, can be allowed; manifests of Docker's schema 1 cannot, since registries no longer take them.",
		Repair: "Remove the entry; publish an artifact by itself.",
		Source: "https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md",
	}, {
		ID: ConfigUnreadable, Group: GroupIntegrity, Local: Error, Publish: Error,
		Check:  "The config of every image is a JSON object with one diff ID for each layer of the manifest.",
		Why:    "Every runtime refuses such an image, and nothing else about it can be checked.",
		Repair: "Build the image again.",
		Source: "https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties",
	}, {
		ID: EmptyList, Group: GroupIntegrity, Local: Note, Publish: Error, Optional: true,
		Check:  "The list has an image that is no attestation.",
		Why:    "Nobody can use an empty list, and it takes the place of what the tag meant before.",
		Repair: "Add an image.",
		Source: "https://github.com/docker/cli/issues/822",
	}}
}

func platformSetRules() []RuleInfo {
	return []RuleInfo{{
		ID: PlatformMissing, Group: GroupPlatform, Local: Warning, Publish: Error,
		Check:  "Every image of the list has an operating system and an architecture. An artifact that is allowed (not-an-image) needs none.",
		Why:    "Consumers choose by exactly these two. Buildpacks that were packaged without a target have no architecture, and a list of such packages serves nobody.",
		Repair: "Give the entry the missing fields, or package with a target.",
		Source: "https://github.com/buildpacks/pack/issues/1678, https://github.com/buildpacks/pack/issues/2079",
	}, {
		ID: PlatformDuplicate, Group: GroupPlatform, Local: Error, Publish: Error, Optional: true,
		Check:  "No two images are for the same platform, after the names and variants are normalised as containerd does.",
		Why:    "The first one is used by everybody and the other one by nobody.",
		Repair: "Keep one of them.",
		Source: "https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md (\"the first matching entry SHOULD be used\")",
	}, {
		ID: PlatformShadowed, Group: GroupPlatform, Local: Warning, Publish: Warning, Optional: true,
		Check:  "No two images of an operating system other than Windows differ in its version or features only.",
		Why:    "Docker and pack compare these fields on Windows alone, so the first image always wins. Upstream pack makes such lists of targets that differ in the distribution.",
		Repair: "Publish the images under different tags, or put the one that most need first.",
		Source: "https://github.com/buildpacks/rfcs/blob/main/text/0128-multiarch-builders-and-package.md",
	}, {
		ID: NoLinuxAMD64, Group: GroupPlatform, Publish: Warning, PublishOnly: true, Optional: true,
		Check:  "A list of buildpack or extension packages has one for linux/amd64.",
		Why:    "The buildpack registry verifies an entry by its linux/amd64 image, and tools that are asked for no platform take this one.",
		Repair: "Add a package for linux/amd64, or do not register the list.",
		Source: "https://github.com/buildpacks/github-actions (registry/verify-metadata)",
	}}
}

func platformNameRules() []RuleInfo {
	return []RuleInfo{{
		ID: PlatformUnknown, Group: GroupPlatform, Local: Warning, Publish: Warning, Optional: true,
		Check:  "Operating system and architecture are names that Go knows. Characters other than letters, digits, '.', '_' and '-' are an error that cannot be allowed.",
		Why:    "No consumer ever asks for \"x86_64\" or \"lunix\".",
		Repair: "Give the entry the name that Go has for it, such as amd64 for x86_64.",
		Source: "https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties (GOOS and GOARCH), go/src/internal/syslist",
	}, {
		ID: PlatformUnlikely, Group: GroupPlatform, Local: Warning, Publish: Warning, Optional: true,
		Check:  "Operating system and architecture are a pair that Go can build for; that of a buildpack, extension or builder is linux, windows or freebsd.",
		Why:    "windows/s390x is rather a slip than a machine, and no lifecycle runs on darwin.",
		Repair: "Check which platform was meant.",
		Source: "go tool dist list",
	}, {
		ID: VariantUnknown, Group: GroupPlatform, Local: Warning, Publish: Warning, Optional: true,
		Check:  "The variant is one that is written for the architecture: arm v5 to v8, arm64 v8 and v9 with their minor versions, amd64 v1 to v4, ppc64le power8 to power10, riscv64 rva20u64 and its successors.",
		Why:    "Consumers compare variants letter by letter. \"linux/amd64/v8\" matches nothing.",
		Repair: "Give the entry a variant of this kind, or none.",
		Source: "https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md#platform-variants, https://github.com/estesp/manifest-tool/issues/185",
	}, {
		ID: VariantMissing, Group: GroupPlatform, Local: Warning, Publish: Warning, Optional: true,
		Check:  "An image for arm says for which variant.",
		Why:    "Without it consumers take the image for v7, and a machine of v6 that is given code of v7 stops with an illegal instruction. Files that upstream pack makes never have it.",
		Repair: "Give the entry its variant, such as v7.",
		Source: "https://github.com/containerd/platforms (normalisation), https://github.com/moby/moby/issues/37647",
	}}
}

func platformTruthRules() []RuleInfo {
	return []RuleInfo{{
		ID: PlatformMismatch, Group: GroupPlatform, Local: Warning, Publish: Error, Optional: true,
		Check:  "The entry says what the image's own config says. A platform for an image whose config has none is worth a note only.",
		Why:    "containerd 2.2 and later do not unpack an image whose config contradicts the list, and older consumers run the wrong program.",
		Repair: "Give the entry the platform of the config, or build the image for the platform that was meant.",
		Source: "https://github.com/moby/moby/issues/41873",
	}, {
		ID: WindowsOSVersion, Group: GroupPlatform, Local: Warning, Publish: Warning, Optional: true,
		Check:  "An image for Windows says for which version. A buildpack or extension without one is worth a note only.",
		Why:    "Windows containers need a host of at least the version of the image; without it a runtime has to guess. Packages in files never have it, and nothing of them is run as a container.",
		Repair: "Give the entry the version of its base image.",
		Source: "https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md (os.version), https://github.com/docker/cli/issues/2722",
	}}
}

func demandRules() []RuleInfo {
	return []RuleInfo{{
		ID: PlatformsRequired, Group: GroupDemand, Local: Warning, Publish: Error,
		Check:  "The platforms of the list are those that were asked for: exactly these, or at least these.",
		Why:    "A build that lost one platform on the way would take it from all its users.",
		Repair: "Add what is missing and remove what is too much, or ask for something else.",
		Source: "validation was asked for with this set of platforms",
	}}
}
