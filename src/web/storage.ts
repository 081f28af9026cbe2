/**
 * Keeps the files of a page in the origin's private storage (OPFS), which survives the page.
 * Changes are made there in their order, so that after a crash the storage has the files of an
 * earlier moment, as a disk would. A thread makes them: while the page trains, a change would wait
 * for some steps each time that it waits for the browser.
 */
import { addFile, type FileChange, onFileChange } from '../host/browser/files.js';
import { Thread } from '../util/thread.js';

/** What the thread is started with. */
interface Setup {
  /** Of the storage. */
  readonly folder: string;
  /** Where its files are in the page. */
  readonly root: string;
}

/** Contents by path; or why there is no storage. */
type Stored = ReadonlyMap<string, Uint8Array> | string;

export interface Storage {
  /** Waits until all changes so far are stored. */
  settle(): Promise<void>;
}

/**
 * Reads what an earlier page left in `folder` of the storage into memory, below `root`, and keeps
 * what changes there from now on. A run, the folder of a folder in `root`, that cannot be kept
 * stays in memory, and in the storage as it was.
 * @param failed called once for each such run, and if nothing can be kept
 * @returns undefined if the page has no storage, such as one that was opened from a file, or a
 *   second page of the same site
 */
export async function keepFiles(
  folder: string,
  root: string,
  failed: (reason: string) => void,
): Promise<Storage | undefined> {
  // the thread of a page that was opened from a file may start no others
  if (self.origin === 'null') {
    failed(NONE);
    return undefined;
  }
  const thread = new Thread<FileChange | undefined, Stored | undefined>('web/storage.js', { folder, root });
  const stored = await thread.ask(undefined).catch(() => NONE);
  if (!(stored instanceof Map)) {
    failed(String(stored));
    return undefined;
  }
  for (const [path, content] of stored) addFile(path, content);
  let last = Promise.resolve();
  onFileChange(change => {
    if (!change.path.startsWith(`${root}/`)) return;
    const moved = change.kind === 'write' ? [change.bytes.buffer as ArrayBuffer] : [];
    last = thread.ask(change, moved).then(reason => {
      if (reason !== undefined) failed(String(reason));
    });
  });
  return { settle: () => last };
}

const NONE = 'this page has no storage';
const FULL = 'QuotaExceededError';
/** Milliseconds until a page that was closed or loaded again has left the storage. */
const LEAVING_MS = 2000;

/** What the thread of the storage does: reads the files that are there, then changes them. */
export function storeFiles({ folder, root }: Setup) {
  let top: FileSystemDirectoryHandle;
  const open = async (): Promise<Stored> => {
    const own = await navigator.storage?.getDirectory().catch(() => undefined);
    if (own === undefined) return NONE;
    if (!(await becomeOnly(folder))) return 'another tab has the storage of this site';
    top = await own.getDirectoryHandle(folder, { create: true });
    const files = new Map<string, Uint8Array>();
    await restore(top, root, files);
    return files;
  };
  const broken = new Set<string>();
  const keep = async (change: FileChange): Promise<string | undefined> => {
    const run = change.path
      .slice(root.length + 1)
      .split('/', 2)
      .join('/');
    if (broken.has(run)) return undefined;
    try {
      await apply(top, root, change);
      return undefined;
    } catch (error) {
      broken.add(run);
      const isFull = error instanceof DOMException && error.name === FULL;
      return isFull ? 'the storage of the browser is full' : `the storage fails: ${error}`;
    }
  };
  const waiting: FileChange[] = [];
  let last: Promise<Stored | undefined> = Promise.resolve(undefined);
  return (change: FileChange | undefined) => {
    if (change) waiting.push(change);
    last = last.then(() => {
      const next = change ? nextOf(waiting) : undefined;
      return next ? keep(next) : change ? undefined : open();
    });
    return last;
  };
}

/** Removes the first change, and joins what is appended to the same file; a log has many lines. */
function nextOf(waiting: FileChange[]): FileChange | undefined {
  const first = waiting.shift();
  if (first?.kind !== 'write') return first;
  const parts = [first.bytes];
  let end = first.at + first.bytes.length;
  for (let next = waiting[0]; next?.kind === 'write'; [next] = waiting) {
    if (next.path !== first.path || next.at !== end) break;
    parts.push(next.bytes);
    end += next.bytes.length;
    waiting.shift();
  }
  return { ...first, bytes: Buffer.concat(parts) };
}

/** Whether no other page has a name; this one then has it until it is closed. */
function becomeOnly(name: string): Promise<boolean> {
  const signal = AbortSignal.timeout(LEAVING_MS);
  return new Promise(resolve => {
    const held = (): Promise<void> => {
      resolve(true);
      return new Promise(() => {});
    };
    navigator.locks.request(name, { signal }, held).catch(() => resolve(false));
  });
}

async function restore(
  folder: FileSystemDirectoryHandle,
  path: string,
  files: Map<string, Uint8Array>,
): Promise<void> {
  for await (const [name, handle] of folder.entries()) {
    if (handle.kind === 'directory')
      await restore(handle as FileSystemDirectoryHandle, `${path}/${name}`, files);
    else {
      const file = await (handle as FileSystemFileHandle).getFile();
      files.set(`${path}/${name}`, new Uint8Array(await file.arrayBuffer()));
    }
  }
}

/** A file of the private storage; the types of pages lack what only threads may call. */
interface StoredFile extends FileSystemFileHandle {
  move(folder: FileSystemDirectoryHandle, name: string): Promise<void>;
  createSyncAccessHandle(): Promise<{
    truncate(size: number): void;
    write(bytes: Uint8Array, options: { readonly at: number }): number;
    flush(): void;
    close(): void;
  }>;
}

async function apply(top: FileSystemDirectoryHandle, root: string, change: FileChange): Promise<void> {
  const [folder, name] = await placeOf(top, change.path.slice(root.length + 1));
  switch (change.kind) {
    case 'folder':
      await folder.getDirectoryHandle(name, { create: true });
      return;
    case 'remove':
      await folder.removeEntry(name, { recursive: true });
      folders.clear();
      return;
    case 'rename': {
      const [target, newName] = await placeOf(top, change.to.slice(root.length + 1));
      await ((await folder.getFileHandle(name)) as StoredFile).move(target, newName);
      return;
    }
    default: {
      const file = (await folder.getFileHandle(name, { create: true })) as StoredFile;
      const access = await file.createSyncAccessHandle();
      try {
        if (change.kind === 'cut') access.truncate(change.size);
        // Chromium returns an error as a large number
        else if (access.write(change.bytes, { at: change.at }) !== change.bytes.length)
          throw new DOMException('a part of the bytes is written', FULL);
        access.flush();
      } finally {
        access.close();
      }
    }
  }
}

/** Each is found once: a request to the browser takes as long as a training step. */
const folders = new Map<string, FileSystemDirectoryHandle>();

async function folderAt(top: FileSystemDirectoryHandle, path: string): Promise<FileSystemDirectoryHandle> {
  if (path === '') return top;
  const [parent, name] = await placeOf(top, path);
  const found = folders.get(path) ?? (await parent.getDirectoryHandle(name, { create: true }));
  folders.set(path, found);
  return found;
}

async function placeOf(
  top: FileSystemDirectoryHandle,
  path: string,
): Promise<[FileSystemDirectoryHandle, string]> {
  const end = path.lastIndexOf('/');
  return [await folderAt(top, path.slice(0, Math.max(0, end))), path.slice(end + 1)];
}
