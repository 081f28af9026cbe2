/** Links to runs and sweeps, provided by the page around a view. */
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';

/**
 * The address of the run or sweep at a relative path; undefined if there is none, as in a
 * standalone file.
 */
export type Link = (path: string) => string | undefined;

export const Links = createContext<Link>(() => undefined);

export function useLink(): Link {
  return useContext(Links);
}

/** The address of a comparison of the runs at these paths; undefined if there is none. */
export type CompareLink = (paths: readonly string[]) => string | undefined;

export const CompareLinks = createContext<CompareLink>(() => undefined);

export function useCompareLink(): CompareLink {
  return useContext(CompareLinks);
}
