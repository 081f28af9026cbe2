/** Where runs and sweeps can be looked at: the page's surroundings know. */
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';

/**
 * The address of the run or sweep at a path relative to what is shown; undefined where there is
 * none, as in a file that stands alone.
 */
export type Link = (path: string) => string | undefined;

export const Links = createContext<Link>(() => undefined);

export function useLink(): Link {
  return useContext(Links);
}

/** The address of several runs in one picture, of the same paths; undefined where there is none. */
export type CompareLink = (paths: readonly string[]) => string | undefined;

export const CompareLinks = createContext<CompareLink>(() => undefined);

export function useCompareLink(): CompareLink {
  return useContext(CompareLinks);
}
