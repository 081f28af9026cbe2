/**
 * Keeps the files of a page in the origin's private storage (OPFS), which survives the page.
 * Changes are made there in their order, so that after a crash the storage has the files of an
 * earlier moment, as a disk would.
 */
import { addFile, type FileChange, onFileChange } from '../host/browser/files.js';

export interface Storage {
  /** Waits until all changes so far are stored. */
  settle(): Promise<void>;
}

/**
 * Reads what an earlier page left in `folder` of the storage into memory, below `root`, and keeps
 * what changes there from now on.
 * @param failed called once if the storage is full or fails; the files stay in memory
 * @returns undefined if this page has no storage, such as one opened from a file
 */
export async function keepFiles(
  folder: string,
  root: string,
  failed: (reason: string) => void,
): Promise<Storage | undefined> {
  const top = await navigator.storage
    ?.getDirectory()
    .then(own => own.getDirectoryHandle(folder, { create: true }))
    .catch(() => undefined);
  if (top === undefined) return undefined;
  await restore(top, root);
  let last = Promise.resolve();
  let isBroken = false;
  onFileChange(change => {
    if (isBroken || !change.path.startsWith(`${root}/`)) return;
    last = last
      .then(() => (isBroken ? undefined : apply(top, root, change)))
      .catch((error: unknown) => {
        isBroken = true;
        const isFull = error instanceof DOMException && error.name === 'QuotaExceededError';
        failed(isFull ? 'the storage of the browser is full' : String(error));
      });
  });
  return { settle: () => last };
}

async function restore(folder: FileSystemDirectoryHandle, path: string): Promise<void> {
  for await (const [name, handle] of folder.entries()) {
    if (handle.kind === 'directory') await restore(handle as FileSystemDirectoryHandle, `${path}/${name}`);
    else {
      const file = await (handle as FileSystemFileHandle).getFile();
      addFile(`${path}/${name}`, new Uint8Array(await file.arrayBuffer()));
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
        else access.write(change.bytes, { at: change.at });
        access.flush();
      } finally {
        access.close();
      }
    }
  }
}

async function placeOf(
  top: FileSystemDirectoryHandle,
  path: string,
): Promise<[FileSystemDirectoryHandle, string]> {
  const parts = path.split('/');
  let folder = top;
  for (const part of parts.slice(0, -1)) folder = await folder.getDirectoryHandle(part, { create: true });
  return [folder, parts[parts.length - 1]];
}
