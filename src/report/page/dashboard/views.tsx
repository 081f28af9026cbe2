/** What the views of the dashboard have in common. */
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';

/** The page's title says what is shown, and how it is: what a row of tabs shows of it. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title;
  }, [title]);
}

/** In the place of what is not there yet, or cannot be shown. */
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
