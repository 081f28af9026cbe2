/**
 * Arrays of numbers in files: opens them in memory or on disk, and reads them row by row (along the
 * first dimension). The kinds `npz`, `npy`, `idx` and `mnist` differ only in the container of their
 * arrays.
 */
import { type Diagnostic, damagedError, type UserError } from '../../util/errors.js';
import { type SplitFile, splitFiles } from '../core/dataset.js';
import type { Problems } from '../core/problems.js';
import type { Place } from '../core/store.js';
import {
  type ArrayForm,
  type ArrayPlace,
  isNpy,
  type NumberArray,
  npyForm,
  npyHeaderBytes,
  npyTexts,
} from '../formats/number-arrays.js';
import { ZipArchive } from '../formats/zip.js';
import { MAX_BYTES, readContent, staysOnDisk } from '../reading/files.js';
import { type ByteRange, type Bytes, memoryBytes, RangedFile } from '../reading/ranged-file.js';

const HEAD_BYTES = 4096;
/** Maximum size of an array that is read into memory as a whole, such as labels of sequences. */
const MAX_WHOLE_BYTES = 2 ** 30;

type ParseForm = (head: Buffer, place: ArrayPlace) => ArrayForm;

/** The bytes of an array with its header: from `start` to `end` of `source`, by default all. */
interface ArrayBytes {
  readonly source: Bytes;
  readonly start?: number;
  readonly end?: number;
}

export class FileArray {
  readonly shape: readonly number[];
  readonly integer: boolean;
  private readonly rowBytes: number;

  private constructor(
    readonly name: string,
    readonly source: Bytes,
    private readonly start: number,
    readonly form: ArrayForm,
  ) {
    const { shape, integer, itemSize } = form;
    [this.shape, this.integer] = [shape, integer];
    this.rowBytes = shape.slice(1).reduce((product, size) => product * size, itemSize);
  }

  static open(name: string, bytes: ArrayBytes, parse: ParseForm): FileArray {
    const { source, start = 0, end = source.size } = bytes;
    const place = { file: source.name, name, bytes: end - start };
    const read = (length: number) => source.readNow({ from: start, to: Math.min(end, start + length) });
    let head = read(HEAD_BYTES);
    if (head.length === HEAD_BYTES && isNpy(head)) head = read(Math.max(HEAD_BYTES, npyHeaderBytes(head)));
    const form = parse(head, place);
    const own = source instanceof RangedFile ? source.twin() : source;
    const array = new FileArray(name, own, start + form.dataOffset, form);
    return form.fortranOrder && !array.isOnDisk ? array.inRows() : array;
  }

  get file(): string {
    return this.source.name;
  }

  get isOnDisk(): boolean {
    return this.source instanceof RangedFile;
  }

  get count(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  range(index: number): ByteRange {
    const from = this.start + index * this.rowBytes;
    return { from, to: from + this.rowBytes };
  }

  place(index: number): Place {
    return { file: this.source, ...this.range(index) };
  }

  row(index: number): NumberArray {
    return this.form.decode(this.source.readNow(this.range(index)));
  }

  /** The same array in memory and in C order. */
  loaded(): FileArray {
    if (!this.isOnDisk) return this;
    const bytes = this.count * this.form.itemSize;
    if (bytes <= MAX_WHOLE_BYTES) {
      const content = Buffer.from(this.source.readNow({ from: this.start, to: this.start + bytes }));
      const array = new FileArray(this.name, memoryBytes(this.file, content), 0, this.form);
      return this.form.fortranOrder ? array.inRows() : array;
    }
    const message = `array ${this.name} is too large to be read into memory`;
    const sizes = { expected: `at most ${MAX_WHOLE_BYTES} bytes`, got: `${bytes} bytes` };
    throw damagedError('data/too-large', message, { file: this.file, ...sizes });
  }

  whole(): NumberArray {
    const to = this.start + this.count * this.form.itemSize;
    return this.form.decode(this.source.readNow({ from: this.start, to }));
  }

  exactly(at: number): string {
    const { itemSize } = this.form;
    const from = this.start + at * itemSize;
    return this.form.exactly(this.source.readNow({ from, to: from + itemSize }));
  }

  /** Name of value `at` of all, such as `x[3, 0]`. */
  nameOf(at: number): string {
    const index: number[] = [];
    let rest = at;
    for (const size of this.shape.slice(1).toReversed()) {
      index.unshift(rest % size);
      rest = Math.floor(rest / size);
    }
    return `${this.name}[${[rest, ...index].join(', ')}]`;
  }

  /** @throws UserError (exit 5) if rows are not contiguous */
  refuseFortranOrder(): void {
    if (!this.form.fortranOrder || this.shape.length < 2) return;
    throw damagedError(
      'data/npy-order',
      `array ${this.name} is in Fortran order, which cannot be read sequence by sequence`,
      {
        file: this.file,
        expected: 'an array in C order (numpy.ascontiguousarray), or a larger `dataset.memory`',
      },
    );
  }

  wrongShape(expected: string, message = 'has the wrong shape or type'): UserError {
    return damagedError('data/shape-mismatch', `array ${this.name} ${message}`, {
      file: this.file,
      expected,
      got: `${this.form.dtype} [${this.shape.join(', ')}]`,
    });
  }

  /** Copies values from Fortran order (first index varies fastest) to C order (last index). */
  private inRows(): FileArray {
    const { shape, itemSize } = this.form;
    const from = this.source.readNow({ from: this.start, to: this.start + this.count * itemSize });
    const to = Buffer.alloc(from.length);
    for (let at = 0; at < this.count; at++) {
      let [rest, position, stride] = [at, 0, this.count];
      for (const size of shape.toReversed()) {
        stride /= size;
        position += (rest % size) * stride;
        rest = Math.floor(rest / size);
      }
      from.copy(to, at * itemSize, position * itemSize, (position + 1) * itemSize);
    }
    return new FileArray(this.name, memoryBytes(this.file, to), 0, { ...this.form, fortranOrder: false });
  }
}

export type FileTexts = ReturnType<typeof textsOf>;

/** A check of an array's rows in order, until it returns false. */
export interface RowCheck {
  readonly array: FileArray;
  row(values: NumberArray, index: number): boolean;
}

/**
 * Returns a function that checks the rows before byte `end` of their file. It is called while the
 * file is read from start to end, so that rows come from the page cache.
 */
export function rowChecks(checks: readonly RowCheck[]): (end: number) => void {
  const next = checks.map(() => 0);
  return end =>
    checks.forEach(({ array, row }, i) => {
      const count = array.shape[0];
      while (next[i] < count && array.range(next[i]).to <= end)
        next[i] = row(array.row(next[i]), next[i]) ? next[i] + 1 : count;
    });
}

/** Names of a split's arrays; the container may have none of them. */
export interface SplitNames<Name extends string = string> {
  readonly x: Name;
  readonly y: Name;
  readonly lengths?: Name;
  readonly statics?: Name;
  readonly ids?: Name;
  readonly groups?: Name;
}

/** Where arrays are: in an archive, or in files of their own. */
export interface ArrayContainer {
  readonly parse: ParseForm;
  /** Undefined if there is no such array. */
  find(name: string): ArrayBytes | undefined;
}

/** Opens the arrays of a split that `files` has; adds problems of their headers. */
export function openArrays(
  files: ArrayContainer,
  { x, y, lengths, statics, ids, groups }: Partial<SplitNames>,
  problems: Problems,
) {
  const open = <T>(name: string | undefined, read: (name: string, bytes: ArrayBytes) => T): T | undefined =>
    problems.attempt(() => {
      const bytes = name === undefined ? undefined : files.find(name);
      return bytes && read(name as string, bytes);
    });
  const numbers = (name: string, bytes: ArrayBytes) => FileArray.open(name, bytes, files.parse);
  return {
    x: open(x, numbers),
    y: open(y, numbers),
    lengths: open(lengths, numbers),
    statics: open(statics, numbers),
    ids: open(ids, textsOf),
    groups: open(groups, textsOf),
  };
}

function textsOf(name: string, { source, start = 0, end = source.size }: ArrayBytes) {
  const bytes = Buffer.from(source.readNow({ from: start, to: end }));
  const place = { file: source.name, name, bytes: bytes.length };
  return { name, file: source.name, texts: npyTexts(bytes, place) };
}

/** The arrays of a dataset: in files of their own or in an archive, in memory or on disk. */
export class ArrayFiles implements ArrayContainer {
  private readonly sources = new Map<string, Bytes>();
  private archive: ArrayArchive | undefined;

  /**
   * @param splits paths of each split's files
   * @param paths of each array that has a file of its own
   */
  private constructor(
    private readonly splits: readonly (readonly string[])[],
    readonly parse: ParseForm,
    private readonly paths: Readonly<Partial<Record<string, string>>> = {},
  ) {}

  /** @param config path of each array */
  static async open<N extends string>(
    config: Readonly<Partial<Record<N, string>>> & { readonly memory?: number },
    splits: readonly (SplitNames<N> | undefined)[],
    parse: ParseForm,
  ): Promise<ArrayFiles> {
    const paths = splits.map(split => Object.values<N>({ ...split }).flatMap(name => config[name] ?? []));
    const files = new ArrayFiles(paths, parse, config);
    await files.read(config);
    return files;
  }

  static async openArchive(path: string, config: { readonly memory?: number }) {
    const files = new ArrayFiles([[path]], npyForm);
    await files.read(config);
    const archive = new ArrayArchive(files.sources.get(path) as Bytes);
    files.archive = archive;
    return { files, archive };
  }

  find(name: string): ArrayBytes | undefined {
    if (this.archive) return this.archive.find(name);
    const source = this.sources.get(this.paths[name] ?? '');
    return source && { source };
  }

  /** Reads the files on disk from start to end, and runs the checks of their rows. */
  async scan(checks: readonly RowCheck[]): Promise<void> {
    const { archive } = this;
    for (const file of this.sources.values()) {
      if (!(file instanceof RangedFile)) continue;
      const check = rowChecks(checks.filter(({ array }) => array.file === file.name));
      let end = 0;
      for await (const piece of file.scan()) {
        archive?.add(piece, end);
        end += piece.length;
        check(end);
      }
      archive?.verify();
    }
  }

  /** Digests of all files, once they have been read. */
  get digests(): SplitFile[] {
    const [train = [], validation, test] = this.splits.map(paths => {
      const files = paths.flatMap(name => this.sources.get(name) ?? []);
      return files.length > 0 ? files : undefined;
    });
    return splitFiles({ train, validation, test });
  }

  private async read(config: { readonly memory?: number }): Promise<void> {
    const paths = this.splits.flat();
    const isOnDisk = await staysOnDisk(paths, config, MAX_BYTES);
    const open = async (path: string): Promise<Bytes> => {
      if (isOnDisk) return RangedFile.open(path);
      const { bytes, sha256 } = await readContent(path, MAX_BYTES);
      return memoryBytes(path, bytes, sha256);
    };
    await Promise.all(paths.map(async path => this.sources.set(path, await open(path))));
  }
}

export class ArrayArchive extends ZipArchive implements ArrayContainer {
  readonly parse = npyForm;

  find(name: string): ArrayBytes | undefined {
    return this.has(name) ? this.open(`${name}.npy`) : undefined;
  }

  has(name: string): boolean {
    return this.names.includes(`${name}.npy`);
  }

  missing(name: string, expected: string): Diagnostic {
    const names = this.names.map(member => member.replace(/\.npy$/, ''));
    return {
      code: 'data/npz-missing',
      message: `the file has no array ${name}`,
      file: this.source.name,
      expected,
      got: names.slice(0, 12).join(', ') || 'no arrays',
    };
  }
}
