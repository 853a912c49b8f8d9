/** The forms that a module can be pushed in (docs/images.md); all of them run on this node. */
export const ARTIFACT_FORMATS = ['cncf', 'wasm-to-oci', 'runwasi', 'solo', 'compat', 'image'] as const;
export type ArtifactFormat = (typeof ARTIFACT_FORMATS)[number];
