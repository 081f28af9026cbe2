/** The config and the manifest saved in a run's directory, which the run uses. */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { type LoadedExperiment, loadExperiment, type OpenOptions } from '../../config/index.js';
import type { RunDirectory } from '../../run/directory.js';
import { isAbsent, withFile } from '../../run/files.js';
import { readEvents } from '../../run/log.js';
import type { Manifest } from '../../run/manifest.js';
import { versions } from '../../run/manifest.js';
import type { Summary, SummaryDigests } from '../../run/summary.js';
import { damagedError, UserError } from '../../util/errors.js';

/**
 * How to load the config of a run, so that its hash is that of the original config: paths in it are
 * relative to the folder of the original file.
 */
export function frozenOptions(
  directory: RunDirectory,
  { config_files, initial_weights }: Manifest,
): Pick<OpenOptions, 'folder' | 'weights'> {
  return { folder: dirname(config_files.at(-1) ?? directory.path), weights: initial_weights?.sha256 };
}

/**
 * Changes nothing: if a process was killed while it changed the config, the new one is still in a
 * file of another name.
 * @throws UserError (exit 5) if its hash differs from the manifest's
 * @throws UserError (exit 2) if it cannot be read
 */
export function frozenConfig(directory: RunDirectory, manifest: Manifest): LoadedExperiment {
  const { resolvedConfig } = directory.files;
  const options = frozenOptions(directory, manifest);
  const frozen = loadExperiment(resolvedConfig, options);
  if (frozen.hash === manifest.config_hash) return frozen;
  const next = isAbsent(directory.nextConfig) ? undefined : loadExperiment(directory.nextConfig, options);
  if (next?.hash === manifest.config_hash) return next;
  throw damagedError({
    code: 'resume/config-edited',
    message: `this file was edited after the run started${byOther(manifest)}`,
    file: resolvedConfig,
    expected: `the original file (\`config show ${manifest.config_files.at(-1)}\` prints it, with each --set of the run; hash ${manifest.config_hash}); to change a key, use \`resume --set KEY=VALUE\``,
    got: `hash ${frozen.hash}`,
  });
}

/**
 * Checks the manifest against the digest in the run's summary, if there is one.
 * @throws UserError (exit 5) if the manifest was edited after the summary was written
 */
export function refuseEditedManifest(directory: RunDirectory, readSummary: () => Summary | undefined): void {
  const { files } = directory;
  // before the summary is read: a run that ends meanwhile writes its summary after its manifest
  const found = directory.digestOf('manifest');
  const { digests } = readSummary() ?? {};
  const expected = digests?.manifest;
  if (found === undefined || expected === undefined || found === expected) return;
  if (isChangedByResume(directory, digests?.log)) return;
  throw damagedError({
    code: 'run/manifest-edited',
    message: 'the manifest does not match the digest in the summary: it was edited after the run',
    file: files.manifest,
    expected: `the original file, with the SHA-256 that summary.json has in \`digests.manifest\`, ${expected}`,
    got: `SHA-256 ${found}`,
  });
}

/**
 * True if a resume that wrote no summary may have changed the manifest: it cuts `run.end` off the
 * log before it records its changes.
 * @param covered the part of the log that the summary has the digest of
 */
function isChangedByResume(directory: RunDirectory, covered: SummaryDigests['log'] | undefined): boolean {
  const { log } = directory.files;
  if (isAbsent(log)) return false;
  const end = readEvents(log).at(-1);
  if (end?.event === 'run.end' && end.seq === (covered?.records ?? end.seq)) return false;
  return (directory.readManifest()?.changes ?? []).length > 0;
}

/** Another version may have other defaults, so the same file can hash differently. */
function byOther({ versions: { cellrun: then } }: Manifest): string {
  const { cellrun: now } = versions();
  return then === now ? '' : `, or cellrun ${now} reads it differently from ${then}, which wrote it`;
}

/** SHA-256 (hex) of the config as given. */
export function configDigest(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/**
 * True if `config.yaml` in the directory differs from the config that the run was started with, or
 * cannot be read: a run resumes without it. False if unknown: manifests of earlier versions do not
 * record its digest.
 */
export function isGivenConfigEdited({ files }: RunDirectory, { given_config_sha256 }: Manifest): boolean {
  if (given_config_sha256 === undefined) return false;
  try {
    if (isAbsent(files.config)) return false;
    const content = withFile(files.config, file => file.read(0, file.bytes), { follow: false });
    return configDigest(content) !== given_config_sha256;
  } catch (error) {
    if (error instanceof UserError) return true;
    throw error;
  }
}
