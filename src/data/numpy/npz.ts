/**
 * Dataset kind `npz`: NumPy arrays `x`, `y`, `lengths`, `ids`, and the same with `_validation` and
 * `_test`, in one archive.
 */
import { type Diagnostic, damagedError } from '../../util/errors.js';
import { type Dataset, IGNORED, splitFiles } from '../dataset.js';
import { crc32 } from '../formats/crc32.js';
import { checkNpyLayout, type NpyArray, parseNpy, parseNpyTexts } from '../formats/npy.js';
import { type Entry, MEMBER_BYTES, memberHeaderLength, readZip, zipDirectory } from '../formats/zip.js';
import type { DatasetContext, DatasetKind } from '../kind.js';
import { configError, Problems } from '../problems.js';
import { readContent, type SourceFile } from '../reading/files.js';
import { expansionLimit, MAX_BYTES } from '../reading/limits.js';
import { type MemoryConfig, staysOnDisk } from '../reading/memory.js';
import { RangedFile } from '../reading/ranged-file.js';
import { RowFeed } from '../reading/row-feed.js';
import type { NormalizeConfig } from '../scaling.js';
import type { TrainingPartConfig } from '../training-part.js';
import { type ArraySource, sequencesOf } from './arrays.js';
import { finish, numpyDataset, type Part, type Parts, type Suffix } from './dataset.js';
import { numpySequences } from './sequences.js';
import {
  type PendingSequences,
  pendingSequences,
  type StoredArray,
  storedArray,
  wholeTexts,
} from './stored.js';

export interface NpzConfig extends TrainingPartConfig, NormalizeConfig, MemoryConfig {
  readonly kind: 'npz';
  readonly path: string;
  /**
   * Fraction of the sequences to hold out for testing, if the file has no `x_test`. Drawn with the
   * experiment's seed.
   */
  readonly test_fraction?: number;
  /** True to use `x_validation` etc. as the validation split; required if the file has them. */
  readonly validation_arrays?: boolean;
}

const SUFFIXES: readonly Suffix[] = ['', '_validation', '_test'];
type ArrayName = `${'x' | 'y' | 'lengths'}${Suffix}`;
const ARRAYS: readonly ArrayName[] = SUFFIXES.flatMap(
  suffix => [`x${suffix}`, `y${suffix}`, `lengths${suffix}`] as const,
);
/** Arrays with the names of the sequences: texts or integers `[N]`. */
type IdsName = `ids${Suffix}`;
const IDS: readonly IdsName[] = ['ids', 'ids_validation', 'ids_test'];

/** The arrays of an archive, in memory or on disk. */
interface Arrays<A> {
  readonly numbers: ReadonlyMap<ArrayName, A>;
  readonly ids: ReadonlyMap<IdsName, readonly string[]>;
}

export const npz: DatasetKind<NpzConfig> = {
  open,
  facts: () => ({}),
  newSequences: (_, data) => numpySequences(data),
};

/**
 * Opens a file with `x` (`[N, T, F]` numbers, or `[N, T]` integers, which are symbols), `y` (`[N]`
 * or `[N, T]` integer classes, -100 = ignored, or `[N, C]` or `[N, T, C]` float targets) and
 * optionally `lengths` `[N]` and `ids` `[N]`. The test split is in the same arrays with `_test`, or
 * is a fraction of the sequences. The validation split may be in the same arrays with
 * `_validation`.
 * @throws UserError (exit 2) if the file cannot be read or the test split is not defined
 * @throws UserError (exit 5) if the archive is damaged, shapes do not match or a value is out of
 *   range (with array and index)
 */
async function open(config: NpzConfig, { seed, ignoredLabel = IGNORED }: DatasetContext): Promise<Dataset> {
  const { path } = config;
  const sourceOf = (suffix: Suffix) => ({ suffix, fileOf: () => path, ignored: ignoredLabel });
  const archive = (await staysOnDisk([path], config, MAX_BYTES)) ? await storedArchive(path) : undefined;
  if (archive) {
    const pending = partsOf(archive, config, sourceOf, pendingSequences);
    const sha256 = await scan(archive, Object.values(pending));
    const finished = finish(pending, ({ finish }) => finish());
    return {
      ...numpyDataset(finished, config.test_fraction, seed),
      digests: splitFiles({ train: [{ name: path, sha256 }] }),
    };
  }
  const source = await readContent(path);
  const parts = partsOf(readArrays(source), config, sourceOf, sequencesOf);
  const dataset = numpyDataset(
    finish(parts, one => one),
    config.test_fraction,
    seed,
  );
  return { ...dataset, digests: splitFiles({ train: [{ name: path, sha256: source.sha256 }] }) };
}

/**
 * Returns the splits of an archive.
 * @throws UserError (exit 2) if the config does not define the test or validation split
 * @throws UserError (exit 5) if an array is invalid
 */
function partsOf<A, S>(
  arrays: Arrays<A>,
  config: NpzConfig,
  sourceOf: (suffix: Suffix) => Part<S>['source'],
  sequences: (arrays: { x: A; y: A; lengths?: A | undefined }, source: ArraySource) => S,
): Parts<S> {
  checkTestSplit(arrays, config);
  checkValidationArrays(arrays, config);
  const { numbers, ids } = arrays;
  const problems = new Problems();
  const read = (suffix: Suffix): Part<S> | undefined => {
    const [x, y] = [numbers.get(`x${suffix}`), numbers.get(`y${suffix}`)];
    const source = sourceOf(suffix);
    const found =
      x && y && problems.attempt(() => sequences({ x, y, lengths: numbers.get(`lengths${suffix}`) }, source));
    return found && { source, sequences: found, ids: ids.get(`ids${suffix}`) };
  };
  const train = read('');
  const validation = config.validation_arrays ? read('_validation') : undefined;
  const test = read('_test');
  problems.throwIfAny();
  if (!train) throw damagedError({ code: 'data/npz', message: 'no sequences', file: config.path });
  return { train, validation, test };
}

interface Archive extends Arrays<StoredArray> {
  readonly file: RangedFile;
  readonly members: readonly Member[];
}

/** A member whose content is stored uncompressed, from `start` on. */
interface Member {
  readonly entry: Entry;
  readonly start: number;
}

/** Maximum size of an archive's directory and the bytes after it. */
const DIRECTORY_BYTES = 2 ** 21;

/**
 * Opens the arrays of an archive without reading their values; undefined if one of them is
 * compressed, since it could not be read by range.
 * @throws UserError (exit 5) if the archive or a header is damaged, or an array is missing
 */
async function storedArchive(path: string): Promise<Archive | undefined> {
  const file = await RangedFile.open(path);
  const from = Math.max(0, file.size - DIRECTORY_BYTES);
  const end = Buffer.from(file.readNow({ from, to: file.size }));
  const names = new Map<string, string>([...ARRAYS, ...IDS].map(name => [`${name}.npy`, name]));
  const entries = zipDirectory(end, path, from);
  const wanted = entries.filter(({ name }) => names.has(name));
  if (wanted.some(({ method }) => method !== 0)) return undefined;
  const problems = new Problems();
  const damaged = (message: string) =>
    problems.add({ code: 'data/zip', message: `the zip archive is damaged (${message})`, file: path });
  const members = wanted.flatMap((entry): Member[] => {
    const { name, offset, originalBytes, compressedBytes } = entry;
    const to = Math.min(file.size, offset + MEMBER_BYTES);
    const length = offset < to ? memberHeaderLength(file.readNow({ from: offset, to })) : undefined;
    if (length === undefined || offset + length + compressedBytes > file.size)
      damaged(`member ${name} is not at the offset in the directory`);
    else if (originalBytes !== compressedBytes)
      damaged(`member ${name} has another size than the directory says`);
    else return [{ entry, start: offset + length }];
    return [];
  });
  const twice = wanted.find(({ name }, i) => wanted.findIndex(other => other.name === name) < i);
  if (twice) damaged(`it has two members ${twice.name}`);
  problems.throwIfAny();
  const numbers = new Map<ArrayName, StoredArray>();
  const ids = new Map<IdsName, readonly string[]>();
  for (const { entry, start } of members) {
    const name = names.get(entry.name) as ArrayName | IdsName;
    problems.attempt(() => {
      if (isIds(name)) ids.set(name, wholeTexts(file, start, entry.originalBytes, name));
      else numbers.set(name, storedArray(file, start, entry.originalBytes, name));
    });
  }
  const found = entries.map(({ name }) => name.replace(/\.npy$/, ''));
  for (const name of ARRAYS)
    if (!found.includes(name) && isRequired(name, found)) problems.add(missingArray(name, path, found));
  problems.throwIfAny();
  return { file, members, numbers, ids };
}

function isIds(name: ArrayName | IdsName): name is IdsName {
  return name.startsWith('ids');
}

/**
 * Reads the whole archive once to check the rows of its arrays and its checksums.
 * @returns its SHA-256
 * @throws UserError (exit 5) if a checksum differs
 */
async function scan(
  { file, members }: Archive,
  parts: readonly (Part<PendingSequences> | undefined)[],
): Promise<string> {
  const feed = new RowFeed(parts.flatMap(part => part?.sequences.checks ?? []));
  const checksums = members.map(() => 0);
  const sha256 = await file.scan((piece, from) => {
    members.forEach(({ entry, start }, i) => {
      const end = start + entry.originalBytes;
      const own = piece.subarray(Math.max(0, start - from), Math.max(0, Math.min(piece.length, end - from)));
      if (own.length > 0) checksums[i] = crc32(own, checksums[i]);
    });
    feed.piece(piece, from);
  });
  const problems = new Problems();
  members.forEach(({ entry }, i) => {
    if (entry.checksum === checksums[i]) return;
    const message = `the member ${entry.name} is damaged: its checksum differs`;
    problems.add({ code: 'data/zip-checksum', message, file: file.name });
  });
  problems.throwIfAny();
  return sha256;
}

function readArrays(source: SourceFile): Arrays<NpyArray> {
  const names = new Map<string, ArrayName>(ARRAYS.map(name => [`${name}.npy`, name]));
  const idsNames = new Map<string, IdsName>(IDS.map(name => [`${name}.npy`, name]));
  const found: string[] = [];
  const problems = new Problems();
  const unfit = new Set<string>();
  const members = readZip(source.bytes, source.name, {
    accepts: member => {
      found.push(member.replace(/\.npy$/, ''));
      return names.has(member) || idsNames.has(member);
    },
    maxBytes: expansionLimit(),
    // reject a member whose size differs from its header before inflating it
    fits: (member, head, bytes) => {
      const ids = idsNames.get(member);
      const name = ids ?? names.get(member) ?? 'x';
      const check = () => {
        checkNpyLayout(head, bytes, source.name, name, { texts: ids !== undefined });
        return true;
      };
      if (problems.attempt(check) === undefined) unfit.add(member);
      return !unfit.has(member);
    },
  });
  const arrays = new Map<ArrayName, NpyArray>();
  for (const [member, name] of names) {
    const bytes = members.get(member);
    const array = bytes && problems.attempt(() => parseNpy(bytes, source.name, name));
    if (array) arrays.set(name, array);
    else if (bytes === undefined && !unfit.has(member) && isRequired(name, found)) {
      problems.add(missingArray(name, source.name, found));
    }
  }
  const ids = new Map<IdsName, readonly string[]>();
  for (const [member, name] of idsNames) {
    const bytes = members.get(member);
    const texts = bytes && problems.attempt(() => parseNpyTexts(bytes, source.name, name));
    if (texts) ids.set(name, texts);
  }
  problems.throwIfAny();
  return { numbers: arrays, ids };
}

function missingArray(name: string, file: string, found: readonly string[]): Diagnostic {
  return {
    code: 'data/npz-missing',
    message: `the file has no array ${name}`,
    file,
    expected:
      'x ([N, T, F] or [N, T]) and y ([N], [N, T], [N, C] or [N, T, C]); x_test needs y_test, x_validation y_validation',
    got: found.slice(0, 12).join(', ') || 'no arrays',
  };
}

/** True for `x` and `y`, and for `x` and `y` of another split if any array of that split exists. */
function isRequired(name: ArrayName, found: readonly string[]): boolean {
  const [array, split] = name.split('_');
  if (array === 'lengths') return false;
  return split === undefined || found.some(other => ARRAY_OF_SPLIT.exec(other)?.[1] === split);
}

const ARRAY_OF_SPLIT = /^(?:x|y|lengths|ids)_(validation|test)$/;

function checkTestSplit({ numbers }: Pick<Arrays<unknown>, 'numbers'>, config: NpzConfig): void {
  const inFile = numbers.has('x_test');
  if (inFile === (config.test_fraction !== undefined)) {
    throw configError({
      code: 'data/test-split',
      keyPath: ['dataset', inFile ? 'test_fraction' : 'path'],
      message: inFile
        ? `${config.path} has x_test, so remove dataset.test_fraction`
        : `${config.path} has no x_test, so the test split is not defined`,
      expected: inFile ? undefined : 'arrays x_test and y_test, or dataset.test_fraction',
    });
  }
}

/**
 * The config alone must define whether there is a validation split, since defaults of other keys
 * depend on it.
 */
function checkValidationArrays(
  { numbers }: Pick<Arrays<unknown>, 'numbers'>,
  { path, validation_arrays }: NpzConfig,
): void {
  const inFile = numbers.has('x_validation');
  if (inFile && validation_arrays === undefined) {
    throw configError({
      code: 'data/validation-split',
      keyPath: ['dataset', 'path'],
      message: `${path} has x_validation, but the config does not say whether to use it`,
      expected: 'dataset.validation_arrays: true, or false to ignore it',
    });
  }
  if (!inFile && validation_arrays) {
    throw configError({
      code: 'data/validation-split',
      keyPath: ['dataset', 'validation_arrays'],
      message: `${path} has no x_validation`,
      expected: 'arrays x_validation and y_validation, or dataset.validation: { fraction: 0.1 }',
    });
  }
}
