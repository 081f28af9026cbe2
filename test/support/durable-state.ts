/**
 * The possible states of a folder after a power failure, by the letter of POSIX. Guaranteed are the
 * contents of files at their last fsync, and changes of names (created, renamed, removed) before
 * the last fsync of their folder. Later changes may survive or not, in any combination. This is
 * stricter than any real file system, so programs that pass here are safe on all of them.
 */
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A file, independent of its names, or a folder. */
interface Inode {
  readonly folder: boolean;
  /** Content at the last fsync; undefined before the first. */
  flushed: Buffer | undefined;
}

type Names = Map<string, Inode>;

/** Changes of names that are not durable yet. */
interface Pending {
  /** The folder whose fsync makes them durable. */
  readonly folder: string;
  readonly apply: (names: Names) => void;
}

/** The content of files after a power failure, if it was written after the last fsync. */
const CONTENTS = ['flushed', 'half', 'written'] as const;
type Content = (typeof CONTENTS)[number];

/** The outcome of a power failure: surviving changes of names, and contents of files. */
export interface Loss {
  readonly survives: readonly boolean[];
  readonly content: Content;
}

export class DurableState {
  private readonly names: Names;
  private readonly fixed: Names;
  private pending: Pending[] = [];

  constructor(private readonly root: string) {
    this.names = new Map(snapshot(root));
    this.fixed = new Map(this.names);
  }

  /** Records a successful operation of node:fs, named without `Sync`. */
  note(call: string, path: string, args: readonly unknown[]): void {
    switch (call) {
      case 'open':
      case 'writeFile':
        if (!this.names.has(path) && path !== this.root)
          this.change([path], names => names.set(path, fresh(false)));
        break;
      case 'mkdir':
        if (!this.names.has(path) && path !== this.root)
          this.change([path], names => names.set(path, fresh(true)));
        break;
      case 'rename':
        this.rename(path, String(args[1]));
        break;
      case 'link':
        this.link(path, String(args[1]));
        break;
      case 'rm':
      case 'unlink':
        if (this.names.has(path)) this.change([path], names => names.delete(path));
        break;
      case 'fsync':
        this.flush(path);
        break;
    }
  }

  losses(): Loss[] {
    const subsets = 2 ** this.pending.length;
    return Array.from({ length: subsets }, (_, bits) =>
      this.pending.map((_, i) => ((bits >> i) & 1) === 1),
    ).flatMap(survives => CONTENTS.map(content => ({ survives, content })));
  }

  lose({ survives, content }: Loss): void {
    const left: Names = new Map(this.fixed);
    this.pending
      .filter((_, i) => survives[i])
      .forEach(({ apply }) => {
        apply(left);
      });
    const contents = new Map([...left].map(([path, inode]) => [path, this.contentOf(inode, content)]));
    for (const name of readdirSync(this.root)) rmSync(join(this.root, name), { recursive: true });
    for (const [path, inode] of [...left].sort(([a], [b]) => (a < b ? -1 : 1))) {
      // the content of a lost folder is lost too
      if (dirname(path) !== this.root && !left.has(dirname(path))) left.delete(path);
      else if (inode.folder) mkdirSync(path);
      else writeFileSync(path, contents.get(path) ?? '');
    }
  }

  private contentOf(inode: Inode, content: Content): Buffer | undefined {
    if (inode.folder || content === 'flushed') return inode.flushed;
    const path = [...this.names].find(([, one]) => one === inode)?.[0];
    if (path === undefined) return inode.flushed;
    const written = readFileSync(path);
    return content === 'written' || inode.flushed?.equals(written)
      ? written
      : written.subarray(0, written.length >> 1);
  }

  private change(paths: readonly string[], apply: (names: Names) => unknown): void {
    // use the same inodes now and when the change is applied later
    const before = new Map(this.names);
    apply(this.names);
    const after = paths.map(path => [path, this.names.get(path)] as const);
    const changed = after.filter(([path, inode]) => before.get(path) !== inode);
    this.pending.push({
      folder: dirname(paths[0]),
      apply: names => {
        for (const [path, inode] of changed)
          if (inode) names.set(path, inode);
          else names.delete(path);
      },
    });
  }

  private rename(from: string, to: string): void {
    const inode = this.names.get(from);
    if (inode === undefined) throw new Error(`${from} is renamed, but was never there`);
    this.change([from, to], names => names.set(to, inode).delete(from));
  }

  private link(from: string, to: string): void {
    const inode = this.names.get(from);
    if (inode === undefined) throw new Error(`${from} is linked, but was never there`);
    this.change([to], names => names.set(to, inode));
  }

  private flush(path: string): void {
    const inode = this.names.get(path);
    if (inode && !inode.folder) {
      inode.flushed = readFileSync(path);
      return;
    }
    for (const { folder, apply } of this.pending) if (folder === path) apply(this.fixed);
    this.pending = this.pending.filter(({ folder }) => folder !== path);
  }
}

function fresh(folder: boolean): Inode {
  return { folder, flushed: undefined };
}

function* snapshot(folder: string): Generator<[string, Inode]> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (lstatSync(path).isDirectory()) {
      yield [path, { folder: true, flushed: undefined }];
      yield* snapshot(path);
    } else yield [path, { folder: false, flushed: readFileSync(path) }];
  }
}
