/** The files that the page is made of, which are part of the program. */
import { readFileSync } from 'node:fs';
import { extname, join } from 'node:path';

export interface Assets {
  /** Throws where there is none of that name: a defect. */
  read(name: string): string | Uint8Array;
}

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' } as const;

export function typeOf(name: string): (typeof TYPES)[keyof typeof TYPES] {
  return TYPES[extname(name) as keyof typeof TYPES];
}

/** Those in `folder`, each read once. */
export function assetsIn(folder: string): Assets {
  const known = new Map<string, Uint8Array>();
  return {
    read: name => {
      const content = known.get(name) ?? readFileSync(join(folder, name));
      known.set(name, content);
      return content;
    },
  };
}
