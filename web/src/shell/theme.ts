// Light, dark, or as the system has it. The choice is kept by this browser.
import { useMantineColorScheme, useComputedColorScheme, localStorageColorSchemeManager } from '@mantine/core'

export const schemeManager = localStorageColorSchemeManager({ key: 'controlcenter-theme' })

export function useTheme() {
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const scheme = useComputedColorScheme('light', { getInitialValueInEffect: false })
  return { choice: colorScheme, scheme, choose: setColorScheme }
}
