import ArgumentParser
import Configuration
print("stub")
