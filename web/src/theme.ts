// Mantine drawn with our tokens: its variables point to ours, so that one palette serves both.
import { createTheme, defaultVariantColorsResolver, type CSSVariablesResolver } from '@mantine/core'

export const theme = createTheme({
  fontFamily: 'var(--font)',
  fontFamilyMonospace: 'var(--mono)',
  primaryColor: 'blue',
  colors: { // Mantine draws its fields, menus and marks in the dark theme from these
    dark: ['#e8ebf0', '#c5ccd8', '#9aa4b5', '#8791a3', '#343c4a', '#222833', '#181c24', '#12151b', '#0e1116', '#0b0d11'],
  },
  // Filled buttons stand on our accent and red, not on those that Mantine would choose their text by.
  variantColorResolver: (given) => ({ ...defaultVariantColorsResolver(given), ...(given.variant === 'filled' ? { color: 'var(--on-accent)' } : {}) }),
  defaultRadius: 'sm',
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    // Holding the page still under a dialog takes a style element, which the page's policy refuses. The head of a dialog is no head of the page.
    Modal: { defaultProps: { lockScroll: false, attributes: { header: { role: 'none' } } } },
    Checkbox: { defaultProps: { iconColor: 'var(--on-accent)' } },
  },
  fontSizes: { xs: '12px', sm: '13px', md: '13px', lg: '15px', xl: '18px' },
})

const shared = {
  '--mantine-color-body': 'var(--surface)',
  '--mantine-color-text': 'var(--text)',
  '--mantine-color-dimmed': 'var(--muted)',
  '--mantine-color-placeholder': 'var(--faint)',
  '--mantine-color-error': 'var(--bad)',
  '--mantine-color-default': 'var(--surface)',
  '--mantine-color-default-hover': 'var(--hover)',
  '--mantine-color-default-color': 'var(--text)',
  '--mantine-color-default-border': 'var(--line-strong)',
  '--mantine-color-anchor': 'var(--accent)',
  '--mantine-primary-color-filled': 'var(--accent)',
  '--mantine-primary-color-filled-hover': 'color-mix(in srgb, var(--accent) 88%, var(--text))',
  '--mantine-primary-color-contrast': 'var(--on-accent)',
  '--mantine-color-blue-filled': 'var(--accent)',
  '--mantine-color-blue-filled-hover': 'color-mix(in srgb, var(--accent) 88%, var(--text))',
  '--mantine-color-blue-light': 'var(--accent-soft)',
  '--mantine-color-blue-light-hover': 'var(--accent-soft)',
  '--mantine-color-blue-light-color': 'var(--accent)',
  '--mantine-color-red-filled': 'var(--bad)',
  '--mantine-color-red-filled-hover': 'color-mix(in srgb, var(--bad) 88%, var(--text))',
  '--mantine-color-red-light': 'var(--bad-soft)',
  '--mantine-color-red-light-hover': 'var(--bad-soft)',
  '--mantine-color-red-light-color': 'var(--bad)',
}

export const cssVariables: CSSVariablesResolver = () => ({ variables: {}, light: shared, dark: shared })
