/** Components that the dashboard's views share. */
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';

/** The page's title with the state, visible in a row of tabs. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title;
  }, [title]);
}

/** Placeholder for a document that is missing or cannot be shown. */
export function Waiting({
  title,
  trouble,
}: {
  readonly title: string;
  readonly trouble: string | undefined;
}) {
  return (
    <article>
      <h1>{title}</h1>
      {trouble === undefined ? <p class="note">Reading the files …</p> : <Alert>{trouble}</Alert>}
    </article>
  );
}

export function Alert({ children }: { readonly children: ComponentChildren }) {
  return (
    <p class="alert" role="alert">
      {children}
    </p>
  );
}
