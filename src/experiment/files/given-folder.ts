/**
 * A folder that the user names for a run to be in: what lies there must be of that very run, or
 * nothing of it is touched.
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
 * The name of an entry that no process can have left which began a run of these configs and ended
 * before it wrote its manifest; undefined where there is none.
 * @throws UserError (exit 2) or 5 where a file cannot be read
 */
export function foreignEntry(
  { config, resolvedConfig, lock }: Places,
  { givenYaml, resolvedYaml }: GivenConfigs,
): string | undefined {
  const isOurs = (name: string): boolean => {
    if (name === basename(config)) return isBeginning(config, givenYaml);
    if (name === basename(resolvedConfig)) return isBeginning(resolvedConfig, resolvedYaml);
    // an attempt at a lock, or the beginning of a manifest, has a name of its own
    return (
      name === basename(lock) ||
      (name.startsWith(`${basename(lock)}.`) && /\.(stale-)?\d+$/.test(name)) ||
      (name.startsWith(TEMPORARY_PREFIX) && /^\d+-/.test(name.slice(TEMPORARY_PREFIX.length)))
    );
  };
  const entries = readdirSync(dirname(config), { withFileTypes: true });
  return entries.find(entry => !entry.isFile() || !isOurs(entry.name))?.name;
}

/** Whether the file holds all of `content`, and nothing else. */
export function isWhole(file: string, content: string | Uint8Array): boolean {
  return !isAbsent(file) && read(file).equals(Buffer.from(content));
}

/** A process that was killed while writing leaves the beginning of what it wrote. */
function isBeginning(file: string, content: string | Uint8Array): boolean {
  const found = read(file);
  return Buffer.from(content).subarray(0, found.length).equals(found);
}

function read(file: string): Buffer {
  return withFile(file, opened => opened.read(0, opened.bytes), { follow: false });
}
