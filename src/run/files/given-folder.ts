/**
 * Checks a folder that the user names for a run: if it contains anything from elsewhere, nothing in
 * it is changed.
 */
import { readdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { TEMPORARY_PREFIX } from './atomic.js';
import { withFile } from './opened-file.js';
import { isAbsent } from './unreadable.js';

export interface GivenConfigs {
  /** The config file's bytes, as given. */
  readonly givenYaml: string | Uint8Array;
  readonly resolvedYaml: string;
}

interface Places {
  readonly config: string;
  readonly resolvedConfig: string;
  readonly lock: string;
}

/**
 * The name of an entry that is not from an interrupted start of a run of these configs (one that
 * ended before its manifest was written); undefined if there is none.
 * @throws UserError (exit 2 or 5) if a file cannot be read
 */
export function foreignEntry(
  { config, resolvedConfig, lock }: Places,
  { givenYaml, resolvedYaml }: GivenConfigs,
): string | undefined {
  const isOurs = (name: string): boolean => {
    if (name === basename(config)) return isBeginning(config, givenYaml);
    if (name === basename(resolvedConfig)) return isBeginning(resolvedConfig, resolvedYaml);
    // temporary names of a lock or of a manifest being written
    return (
      name === basename(lock) ||
      (name.startsWith(`${basename(lock)}.`) && /\.(stale-)?\d+$/.test(name)) ||
      (name.startsWith(TEMPORARY_PREFIX) && /^\d+-/.test(name.slice(TEMPORARY_PREFIX.length)))
    );
  };
  const entries = readdirSync(dirname(config), { withFileTypes: true });
  return entries.find(entry => !entry.isFile() || !isOurs(entry.name))?.name;
}

/** True if the content of the file is exactly `content`. */
export function isWhole(file: string, content: string | Uint8Array): boolean {
  return !isAbsent(file) && read(file).equals(Buffer.from(content));
}

/** True if the file is a prefix of `content`, as a process killed while writing leaves it. */
function isBeginning(file: string, content: string | Uint8Array): boolean {
  const found = read(file);
  return Buffer.from(content).subarray(0, found.length).equals(found);
}

function read(file: string): Buffer {
  return withFile(file, opened => opened.read(0, opened.bytes), { follow: false });
}
